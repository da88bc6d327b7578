"""The API as it serves, with other bounds: the seconds of the real ones are long for a test.

    site(database, folder, **paced(heartbeat=0.3, stalled=1.0))

Everything but the numbers is the real thing: gunicorn, its worker, the application and its parts.
"""

import json
import os
from dataclasses import replace

from flowforge.api.app import App, create_app
from flowforge.api.pace import Pace
from flowforge.settings import read_settings
from flowforge.wiring import api, connections
from tests.integration.api.page import ROOT

NAME = "FLOWFORGE_TEST_PACE"
SERVE = "from tests.integration.api.paced import main; main()"


def paced(*, stalled: float = connections.STALLED, **seconds: float) -> dict[str, str]:
    """Words for `serving`; `seconds` by the names of `Pace`."""
    bounds = {"stalled": stalled, **seconds}
    return {"serve": SERVE, NAME: json.dumps(bounds), "PYTHONPATH": str(ROOT)}


def main() -> None:
    settings, bounds = read_settings(), json.loads(os.environ[NAME])
    connections.STALLED = bounds.pop("stalled")

    def load() -> App:
        return create_app(replace(api.parts(settings), pace=Pace(**bounds)))

    api.Server(load, api.options(settings)).run()
