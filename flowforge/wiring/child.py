"""One process of a service that `flowforge up` started: ``python -m flowforge.wiring.child NAME``.

Its standard input is a life line: when the other end closes, for whatever reason, the process is told to stop as
by SIGTERM, so nothing outlives `up`.
"""

import os
import signal
import sys
import threading

from flowforge.wiring.main import serve


def hold_life_line() -> None:
    """Stop this process once its standard input ends."""

    def wait() -> None:
        while os.read(0, 1024):
            continue
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="life-line", daemon=True).start()


if __name__ == "__main__":
    hold_life_line()
    serve(sys.argv[1])
