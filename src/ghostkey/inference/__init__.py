"""Key → subject: which keys of a map were written for which live objects, by which template. Pure computation."""
