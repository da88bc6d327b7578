"""Files and portions as a review sees them, made in a line."""

from collections.abc import Sequence

from flowforge.review.change import Change, ChangedFile
from flowforge.review.split import Piece, Portion


def file(
    path: str = "src/a.py", count: int = 10, introduced: Sequence[int] = (3, 4, 8), **values: object
) -> ChangedFile:
    lines = tuple(f"line {number} of {path}" for number in range(1, count + 1))
    parts = {
        "path": path,
        "language": "python",
        "lines": lines,
        "introduced": frozenset(introduced),
        **values,
    }
    return ChangedFile(**parts)  # type: ignore[arg-type]


def portion(*files: ChangedFile) -> Portion:
    """All files, each as a whole."""
    return tuple(Piece(file=one, start=1, end=len(one.lines)) for one in files or (file(),))


def change(*files: ChangedFile, messages: Sequence[str] = ("Say more",)) -> Change:
    return Change(messages=tuple(messages), files=files or (file(),))


def no_secrets(_text: str) -> tuple[str, ...]:
    return ()
