"""What a worker tells the process that counts a history, and where that leaves what it found."""

import json
from dataclasses import asdict, dataclass

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary

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


def refusal(error: FlowForgeError) -> str:
    """An error as a text that `raised` reads."""
    kind = next((kind for kind in (Temporary, Broken) if isinstance(error, kind)), Refused)
    told = {"reason": error.reason, "sentence": error.sentence, "next_action": error.next_action}
    delay = {"delay": error.delay} if isinstance(error, Temporary) else {}
    return json.dumps({"kind": kind.__name__, **told, **delay})


def raised(text: str) -> FlowForgeError:
    """The error again: who acts on it is the same on both sides of a pipe."""
    told = json.loads(text)
    reason, sentence, action = Reason(told["reason"]), told["sentence"], told["next_action"]
    match told["kind"]:
        case "Temporary":
            return Temporary(reason, sentence, delay=told["delay"], next_action=action)
        case "Broken":
            return Broken(reason, sentence, next_action=action)
    return Refused(reason, sentence, next_action=action)
