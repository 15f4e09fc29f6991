"""Makes everything that is released, from this checkout and package registries alone."""
