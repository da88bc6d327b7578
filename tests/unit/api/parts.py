"""The parts of an application that no test here lets work: nothing is connected, nobody is believed."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from flowforge.api.app import Parts
from flowforge.api.repositories import Shelf
from flowforge.core.access import Principal
from flowforge.core.errors import Reason, Refused
from flowforge.jobs.submit import Door
from flowforge.store.database import Database
from flowforge.vault.envelope import Vault


class NoKeys:
    def wrap(self, key: bytes, context: bytes) -> bytes:
        raise AssertionError("nothing is sealed here")

    unwrap = wrap


def nobody(token: str, address: str) -> Principal:
    raise Refused(Reason.NOT_SIGNED_IN, "this token is not valid")


def lonely_parts(executor: ThreadPoolExecutor, **changes: Any) -> Parts:
    standing: dict[str, Any] = {
        "database": Database("postgresql://nobody@127.0.0.1:1/none"),
        "executor": executor,
        "believe": nobody,
        "door": Door(new_id=uuid4, check_ref=str),
        "shelf": Shelf(ids=uuid4, check_url=str, vault=Vault(NoKeys())),
        "version": "0.1.0",
        "new_request_id": lambda: "request-1",
    }
    return Parts(**{**standing, **changes})
