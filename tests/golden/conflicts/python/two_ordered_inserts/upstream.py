def run(job):
    start(job)
    check(job)
    finish(job)
