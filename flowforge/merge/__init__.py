"""The merge engine: pure functions from three texts to one, or to a reason why not.

No I/O; a clock only where a file's time limit is kept, and then as an argument. May import core, hooks, plugin;
the only room that imports tree-sitter.
"""
