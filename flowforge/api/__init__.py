"""HTTP in. Turns requests into calls of `jobs` and `accounts`, and their errors into problem+json.

The only room that imports falcon and spectree.
"""
