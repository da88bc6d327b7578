"""Where untrusted code and unbounded work run: bubblewrap for commands, a pool of child processes for ours.

May import core, hooks, plugin; the only room that will import kubernetes.
"""
