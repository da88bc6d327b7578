"""Changelogs: entries and releases of both sides are kept, in the project's own order."""

from collections.abc import Sequence

from flowforge.plugin import Resolver, hookimpl

_ENDS = ("", ".md", ".rst", ".txt", ".adoc", ".markdown")
_WORDS = (
    "CHANGELOG",
    "CHANGES",
    "HISTORY",
    "NEWS",
    "RELEASES",
    "RELEASE_NOTES",
    "RELEASE-NOTES",
    "RELEASENOTES",
)
_GLOBS = tuple(
    name + end for word in _WORDS for name in (word, word.capitalize(), word.lower()) for end in _ENDS
) + tuple("ChangeLog" + end for end in _ENDS)


@hookimpl
def register_resolvers() -> Sequence[Resolver]:
    return [
        Resolver(name="changelog", rung="mechanical", load="flowforge.merge.changelogs:resolve", globs=_GLOBS)
    ]
