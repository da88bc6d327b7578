def run(job):
    start(job)
    record(job)
    finish(job)
