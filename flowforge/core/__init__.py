"""The rules: values and pure decisions that every other room speaks in.

May import the standard library only. Nothing here reads a clock, a file, the network or the environment:
time, ids and randomness are arguments, and every function can be tested by a table.
"""
