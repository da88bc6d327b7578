"""A job's life: the only writers of job state. Introduces the pipeline to the store for the length of a job."""
