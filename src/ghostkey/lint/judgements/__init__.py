"""What a person knows of code at a glance: how long something lives, whether it runs once, whether keys can run out."""
