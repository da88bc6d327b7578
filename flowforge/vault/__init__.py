"""Seal and open credentials: AES-GCM with a data key per record, wrapped by a key provider.

The only room that imports cryptography. May import core, hooks, plugin.
"""
