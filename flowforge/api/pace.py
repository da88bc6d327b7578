"""How often what waits looks, speaks and gives up."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds."""

    deaf: float = 1.0  # look again, while no rings can be heard
    heard: float = 10.0  # look again although nobody rang: a ring may get lost
    rest: float = 0.05  # between two looks of one stream, however often it is rung for
    heartbeat: float = 15.0  # say something on a silent stream, so that proxies and clients know it lives
    patience: float = 10.0  # wait for a client that takes nothing before it is dropped
    believe: float = 300.0  # ask again whether the token is still good
    parting: float = 1.0  # wait for a client's goodbye
