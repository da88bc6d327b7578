"""What a worker tells the process that counts a history, and where that leaves what it found."""

import json
from dataclasses import asdict, dataclass

REPORT, PAGE, RESULT, REFUSED = "calibration.json", "calibration.html", "result.json", "refused.json"
OK, NOT_DONE = 0, 3


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to count. All of it is text, so that it goes through a pipe."""

    mirror: str  # a git directory; nothing is written into it
    branch: str
    tip: str
    url: str  # as the report calls the repository
    folder: str  # for what is found, and for scratch
    plugins: tuple[str, ...]  # distributions that may be loaded; () = all
    wish: dict[str, str]

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"
