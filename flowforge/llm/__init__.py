"""A model call, from the budget to the audit: reserve, limit, cache, ask, settle, record.

The outside is handed in as ports. May import resolve and below.
"""
