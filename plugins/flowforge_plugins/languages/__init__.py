"""Languages: facts the engine needs, one file each."""
