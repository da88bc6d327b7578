def run(jobs):
    with lock:
        first(jobs)
        second(jobs)
