"""Documents of every format in short: a conflict of three texts, and what the document rung makes of it."""

from pathlib import Path

from flowforge.core.conflict import Abstain, splice
from flowforge.hooks.contracts import Language, ResolveContext
from flowforge.merge import changelogs, documents
from flowforge.merge.facts import Facts
from flowforge.resolve.rungs import language_of
from flowforge_plugins.languages.documents import register_languages
from tests.golden.conflictcases import conflict_of

LANGUAGES = tuple(register_languages())


def language(path: str) -> Language:
    found = language_of(path, LANGUAGES)
    assert found is not None, path
    return found


def facts(path: str) -> Facts:
    return Facts(path=path, language=language(path))


def merged(path: str, base: str, upstream: str, commit: str, folder: Path) -> str:
    """The whole merged text, "clean" where git needs nobody, else the typed word of the hand-back."""
    context = ResolveContext(language=language_of(path, LANGUAGES))
    texts = (text.encode() for text in (base, upstream, commit))
    conflict = conflict_of(path, *texts, folder)
    if not conflict.hunks:
        return "clean"
    resolve = changelogs.resolve if context.language is None or "CHANGE" in path else documents.resolve
    said = resolve(conflict, context)
    if isinstance(said, Abstain):
        return said.why
    given = {answer.index: answer.text for answer in said.answers}
    if len(given) < len(conflict.hunks):
        return f"partly: {sorted(given)}"
    return splice(conflict.segments, [given[hunk.index] for hunk in conflict.hunks]).decode()
