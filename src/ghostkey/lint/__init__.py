"""`ghostkey lint`: Go source that inserts into what lives for long, and never deletes. Stranger to the cluster."""
