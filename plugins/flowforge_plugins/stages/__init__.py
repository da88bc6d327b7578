"""Stages beyond the built-in ones."""
