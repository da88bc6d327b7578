"""Builds every process from its parts; the only place that knows them all. Holds the entry point."""
