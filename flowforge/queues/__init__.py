"""The doorbell: job ids through Dramatiq on Redis, signals that something is new, rate limits.

Nothing here is a truth: all of Redis may vanish at any moment and no job, log line or event is lost. A ring
that fails is told to the caller, who rings again; a reader that hears nothing asks Postgres. May import core,
hooks, plugin; the only room that imports redis and limits, and with worker the only one that imports dramatiq.
"""
