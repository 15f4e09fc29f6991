"""Keeps events for the analyses. A census fits in memory and is kept there; see docs/adr/0002."""
