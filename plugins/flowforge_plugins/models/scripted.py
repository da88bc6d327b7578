"""A model that is none: its answers come from a script, and every report says so. For the demo and for tests."""

from collections.abc import Sequence
from decimal import Decimal

from flowforge.plugin import Model, Price, hookimpl

FREE = Price(input=Decimal(0), output=Decimal(0), cache_write=Decimal(0), cache_read=Decimal(0))


@hookimpl
def register_model_providers() -> Sequence[Model]:
    return [
        Model(
            id="scripted",
            load="flowforge_plugins.models.scripted_answers:connect",
            default_model="scripted",
            scripted=True,
            prices={"scripted": FREE},
        )
    ]
