"""The second question to a model: what is wrong with the lines that a change introduces. Decides only; no I/O.

What is shown of a change, the question, and what of an answer is believed. An answer is advice: it names places and
says something about them, and whatever it says, nothing is done. May import the other skills and below.
"""
