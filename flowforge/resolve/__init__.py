"""From a conflict to an answer or a refusal: the ladder of rungs, what a repository has earned, the model's prompt.

Decides only; no I/O of its own. May import merge and below.
"""
