"""Claude by the Messages API. Only the descriptor: the SDK takes seconds to import and is loaded on first use."""

from collections.abc import Sequence

from flowforge.plugin import Model, hookimpl

DEFAULT_MODEL = "claude-sonnet-5-5"


@hookimpl
def register_model_providers() -> Sequence[Model]:
    return [
        Model(
            id="anthropic",
            load="flowforge_plugins.models.anthropic_client:connect",
            default_model=DEFAULT_MODEL,
            secret="anthropic_api_key",  # noqa: S106 (the name of a setting, not a key)
            batches=True,
        )
    ]
