def run(job):
    log(job.name)
    start(job, now())
