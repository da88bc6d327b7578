"""How gunicorn runs the API. Address and number of workers come from the settings; the rest is here.

Names are gunicorn's own (see `gunicorn --help`).
"""

worker_class = "flowforge.wiring.api.Worker"  # gunicorn's asgi worker, ending live streams at SIGTERM
logger_class = "flowforge.wiring.api.HouseLog"
control_socket_disable = True  # nothing of ours uses it, and it is one more door

# Limits before anything is held in memory; bodies are bounded by the application (1 MiB).
limit_request_line = 4094  # bytes
limit_request_fields = 64
limit_request_field_size = 8190  # bytes
worker_connections = 2000
websocket_max_message_size = 4096  # bytes; clients of our streams listen

timeout = 30  # seconds without a heartbeat of the worker, or without a byte of a body that is awaited
graceful_timeout = 30  # seconds for requests under way after SIGTERM; streams end at once
keepalive = 2  # seconds an idle connection stays open; also how long SIGTERM waits for one
asgi_disconnect_grace_period = 3  # seconds for a handler whose client has gone
asgi_lifespan = "on"  # an application that cannot start stops the server and says why

accesslog = None  # requests are counted in the metrics; a proxy in front writes access logs
errorlog = "-"
forwarded_allow_ips = ""  # whom to believe is the application's decision (trusted hops)
