"""The merge engine: pure functions from three texts to one, or to a reason why not.

No I/O, no clock. May import core, hooks, plugin; the only room that imports tree-sitter.
"""
