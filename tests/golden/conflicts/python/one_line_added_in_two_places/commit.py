def start(queue):
    queue.open()
def restart(queue):
    registry.flush_pending()
def stop(queue):
    queue.close()
