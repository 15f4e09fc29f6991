"""Live views in the terminal; the only room that knows textual (extra `ui`), which is imported when a view is opened."""
