"""A cluster looked at for as long as it runs: metrics for each map, Events and a webhook for what is new."""
