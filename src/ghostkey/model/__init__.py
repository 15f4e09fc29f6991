"""Plain types that every room speaks; the standard library only."""
