"""The shipped languages by their ids, and short ways from a text to what the engine sees in it."""

from collections.abc import Sequence

from flowforge.hooks.contracts import Language
from flowforge.merge.entities import Body, Piece, Role, file_body, open_piece
from flowforge.merge.syntax import Source, parse
from tests.golden.rungs import shipped_languages

LANGUAGES: dict[str, Language] = {language.id: language for language in shipped_languages()}


def source(text: str | bytes, language: str = "python") -> Source:
    return parse(text.encode() if isinstance(text, str) else text, LANGUAGES[language])


def body(text: str | bytes, language: str = "python") -> Body:
    return file_body(source(text, language))


def pieces(text: str | bytes, language: str = "python") -> Sequence[Piece]:
    return body(text, language).pieces


def imports_of(text: str, language: str = "python") -> list[Piece]:
    """Single imports, those inside a block too."""
    found: list[Piece] = []
    for piece in pieces(text, language):
        inner = open_piece(piece) if piece.role is Role.IMPORT else None
        found += inner.pieces if inner is not None else [piece] if piece.role is Role.IMPORT else []
    return found
