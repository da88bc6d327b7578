def start(queue):
    queue.open()
def stop(queue):
    queue.close()
