"""A program of your own as the model: it reads a question as JSON and writes an answer as JSON. Only the descriptor.

It is for what no other provider speaks to: a model behind a tool of its own, a gateway with a sign-in, a script.
"""

from collections.abc import Sequence

from flowforge.plugin import Model, hookimpl


@hookimpl
def register_model_providers() -> Sequence[Model]:
    return [Model(id="command", load="flowforge_plugins.models.command_client:connect")]
