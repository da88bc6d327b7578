def start(queue):
    queue.open()
    registry.flush_pending()
def stop(queue):
    queue.close()
