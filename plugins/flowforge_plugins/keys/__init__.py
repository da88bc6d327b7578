"""Key providers."""
