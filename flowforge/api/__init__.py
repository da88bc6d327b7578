"""HTTP in. Turns requests into calls of `jobs` and `accounts`, and their errors into problem+json.

A request passes `requests` (id, size, measure), `auth` (who, may they), validation (`openapi`, `models`) and a
handler, which hands its work to the `desk`: one thread, one transaction. Only `live` waits, and holds nothing
meanwhile. What a handler promises is declared beside it (`operation`). The only room that imports falcon and
spectree; `models` imports neither, so that our own client can read the same shapes.
"""
