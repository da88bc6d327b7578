def run(job):
    start(job, now())
