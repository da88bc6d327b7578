"""Run one command in a sandbox, as whatever user this process is. Standard library and the sandbox room only.

Called as ``python as_another_user.py`` with a JSON object on stdin (argv, folder, and limits of `Command`, and
`unsandboxed`); prints one with how it ended. So that a test run by root can see what another user is given.
"""

import base64
import itertools
import json
import os
import sys
from pathlib import Path

from flowforge.sandbox.choose import choose_sandbox
from flowforge.sandbox.contract import Command


def main() -> None:
    asked = json.load(sys.stdin)
    numbers = itertools.count()
    sandbox = choose_sandbox(
        asked.pop("setting"), unique=lambda: f"{os.getpid()}-{next(numbers)}", warn=lambda _text: None
    )
    said: list[bytes] = []
    command = Command(argv=tuple(asked.pop("argv")), folder=Path(asked.pop("folder")), **asked)
    ended = sandbox.run(command, said.append, lambda: False)
    answer = {
        "status": ended.status,
        "why": ended.why,
        "missing": dict(ended.missing),
        "output": base64.b64encode(b"".join(said)).decode(),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
