"""A job's life: the only writers of job state. Introduces the pipeline to the store for the length of a job.

What a door needs: `submit`, `read`, `cancel`, `retry`. What a relay needs: `relay`, `sweep`. What a worker needs:
`claim`, `run`. Each takes an open `Transaction` where one is enough, so that the caller decides on whose behalf it
runs. May import pipeline and below; knows neither HTTP nor Dramatiq.
"""
