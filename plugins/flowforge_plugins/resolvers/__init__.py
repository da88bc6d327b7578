"""Rules that answer a conflict, one file a rung."""
