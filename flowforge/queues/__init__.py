"""The doorbell: job ids through Dramatiq on Redis, signals that something is new, rate limits.

Nothing here is a truth: all of Redis may vanish and no job is lost. May import core, hooks, plugin.
"""
