def handle(message):
    deliver(message)
