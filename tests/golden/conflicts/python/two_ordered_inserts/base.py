def run(job):
    start(job)
    finish(job)
