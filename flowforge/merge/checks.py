"""What a merged text must pass before it is offered: it parses, doubles nothing and loses nothing."""

from collections import Counter
from collections.abc import Sequence

from flowforge.core.conflict import Hunk, split_lines
from flowforge.merge.doubt import Doubt
from flowforge.merge.entities import Body, Key, Role, file_body, open_piece
from flowforge.merge.syntax import Source
from flowforge.merge.tokens import lex

_MARKS = (b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>")


def check(result: Source, sources: Sequence[Source]) -> None:
    """Check a whole result against base, upstream and commit.

    Raises:
        Doubt: `does_not_parse`, `duplicate`.
    """
    if result.has_error:
        raise Doubt("does_not_parse", "the merged text would not parse")
    allowed = [_definitions(file_body(source)) for source in sources[1:]]
    for key, count in _definitions(file_body(result)).items():
        if count > max(1, *(side[key] for side in allowed)):
            name = key[1].decode("utf-8", "replace")
            raise Doubt("duplicate", f"{name!r} would be defined twice")


def _definitions(body: Body) -> Counter[Key]:
    """How often each entity is defined, at the top level and in containers."""
    counts: Counter[Key] = Counter()
    todo: list[tuple[bytes, Body]] = [(b"", body)]
    while todo:
        path, inner = todo.pop()
        for piece in inner.pieces:
            if piece.role is Role.PLAIN:
                continue
            name = path + b"/" + piece.key[1]
            counts[piece.key[0], name, piece.key[2]] += 1
            deeper = open_piece(piece) if piece.rule and piece.rule.body else None
            if deeper is not None:
                todo.append((name, deeper))
    return counts


def checked(hunk: Hunk, text: bytes) -> bytes:
    """Check one hunk's merged text against its sides.

    Raises:
        Doubt: `lost`, `doubled` (words), `markers`.
    """
    base, upstream, commit, merged = (_words(side) for side in (hunk.base, hunk.upstream, hunk.commit, text))
    for word in base.keys() | upstream.keys() | commit.keys() | merged.keys():
        least, most = _bounds(upstream[word] - base[word], commit[word] - base[word])
        change = merged[word] - base[word]
        if not least <= change <= most:
            shown = word.decode("utf-8", "replace")
            why, verb = ("lost", "lose") if change < least else ("doubled", "double")
            raise Doubt(why, f"the merged text would {verb} {shown!r}")
    if any(line.startswith(_MARKS) for line in split_lines(text)):
        raise Doubt("markers", "the merged text would hold a line like a conflict marker")
    return text


def _bounds(one: int, two: int) -> tuple[int, int]:
    """How much two changes of a count may make together: their sum, or once where both did the same."""
    if one > 0 and two > 0:
        return max(one, two), one + two
    if one < 0 and two < 0:
        return one + two, min(one, two)
    return one + two, one + two


def _words(text: bytes) -> Counter[bytes]:
    return Counter(token.text for token in lex(text) if token.text[:1].isalnum() or token.text[:1] == b"_")
