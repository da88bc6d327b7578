def handle(message):
    deliver(message)
    log(message)
