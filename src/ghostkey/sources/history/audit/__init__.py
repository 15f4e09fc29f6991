"""Audit logs of the API server."""
