"""What people read when a job has ended, as texts. Decides only; no I/O of its own."""
