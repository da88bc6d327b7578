def start(queue):
    queue.open()
    registry.flush_pending()
def restart(queue):
    queue.shift()
def stop(queue):
    queue.close()
