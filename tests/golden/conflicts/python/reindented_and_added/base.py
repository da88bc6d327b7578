def run(jobs):
    first(jobs)
    second(jobs)
