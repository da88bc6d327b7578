def handle(message):
    log(message)
    deliver(message, now())
