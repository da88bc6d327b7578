"""A process as it is, whose own limit of model calls does not stand in the way of a test that makes many at once."""

import functools
import sys

from flowforge.llm.in_process import LocalLimiter
from flowforge.wiring import runner
from flowforge.wiring.child import hold_life_line
from flowforge.wiring.main import serve

MANY = ((60.0, 100_000),)  # calls in so many seconds

if __name__ == "__main__":
    runner.LocalLimiter = functools.partial(LocalLimiter, windows=MANY)  # type: ignore[misc,assignment]  # see above
    hold_life_line()
    serve(sys.argv[1])
