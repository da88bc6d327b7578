def run(job):
    log(job.name, level)
    start(job, now())
