"""A model that is none: its answers come from a script, and every report says so. For the demo and for tests.

A rule may be named as the model: `model: {provider: scripted, name: "bad:dangerous"}` in a pipeline.
"""

from collections.abc import Sequence
from decimal import Decimal

from flowforge.plugin import Model, Price, hookimpl
from flowforge_plugins.models.scripted_rules import RULES

FREE = Price(input=Decimal(0), output=Decimal(0), cache_write=Decimal(0), cache_read=Decimal(0))


@hookimpl
def register_model_providers() -> Sequence[Model]:
    return [
        Model(
            id="scripted",
            load="flowforge_plugins.models.scripted_answers:connect",
            default_model="scripted",
            scripted=True,
            prices=dict.fromkeys(("scripted", *sorted(RULES)), FREE),
        )
    ]
