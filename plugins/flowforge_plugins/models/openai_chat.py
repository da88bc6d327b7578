"""Servers that speak OpenAI's chat-completions format: its own, gateways, and self-hosted models.

Only the descriptor. It has no usual model and no price: every server has models of its own, and what one costs
stands in the price file that the setting `model_prices` names.
"""

from collections.abc import Sequence

from flowforge.plugin import Model, hookimpl


@hookimpl
def register_model_providers() -> Sequence[Model]:
    return [
        Model(
            id="openai",
            load="flowforge_plugins.models.openai_chat_client:connect",
            secret="openai_api_key",  # noqa: S106 (the name of a setting, not a key)
        )
    ]
