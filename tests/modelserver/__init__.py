"""A model service on loopback that speaks the Messages API, can be told to misbehave, and counts what it bills.

It answers `POST /v1/messages` (whole or as server-sent events), `POST /v1/messages/count_tokens` and all of
`/v1/messages/batches`. What each request gets is scripted by `Reply` values, taken in order; the last one stays.
A request that the real service would refuse (no version header, no key, unknown fields, a schema or a thinking
mode that it does not take, a prompt beyond the model's window) is refused here too, so that a provider cannot
pass by sending nonsense. Every call that costs something leaves a `Bill`; `ModelServer.cost` is their sum.
"""

from tests.modelserver.bills import Bill, Billed, tokens
from tests.modelserver.replies import Answer, Reply, refuse
from tests.modelserver.run import model_server
from tests.modelserver.state import ModelServer, Seen

__all__ = ["Answer", "Bill", "Billed", "ModelServer", "Reply", "Seen", "model_server", "refuse", "tokens"]
