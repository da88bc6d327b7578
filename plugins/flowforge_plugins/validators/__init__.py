"""Checks of one file each; they run in child processes."""
