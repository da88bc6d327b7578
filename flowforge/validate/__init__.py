"""The gate: fold what validators say about a file into one decision. Decides only; no I/O of its own."""
