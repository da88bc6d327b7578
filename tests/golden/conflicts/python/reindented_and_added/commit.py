def run(jobs):
    first(jobs)
    between(jobs)
    second(jobs)
