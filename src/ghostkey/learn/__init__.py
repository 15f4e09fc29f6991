"""From one incident to what keeps it from happening again: a guard, an alert, a lint configuration, a test, a post-mortem."""
