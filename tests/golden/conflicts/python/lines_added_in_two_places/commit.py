def start(queue):
    queue.open()
def restart(queue):
    queue.shift()
def stop(queue):
    queue.close()
