"""What a plugin may add, and how it is found, checked and named when it fails.

May import `core` and pluggy. `contracts` are the values and Protocols of each kind of extension, `specs` the
hooks, `manager` the loading. Built-in extensions come through the same door as a stranger's.
"""
