"""The web UI's home: the built files that the API serves, when they are there."""
