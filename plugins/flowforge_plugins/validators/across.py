"""Names across files: what one side began to use of another file, and the other side renamed or removed there.

Git merges such changes without a word, since they touch different files. Only the change's own files are compared:
those that a side changed. A need that a parent could not fulfil either is none of the merge's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flowforge.plugin import CheckedFile, Finding, Level, Neighbour
from flowforge_plugins.validators import links_go, links_java, links_python, links_script
from flowforge_plugins.validators.facts import told
from flowforge_plugins.validators.links import Links, LinksOf, Need, bare, serves

_OF: Mapping[str, LinksOf] = {
    "python": links_python.links,
    "java": links_java.links,
    "go": links_go.links,
    "javascript": links_script.links_of("javascript"),
    "typescript": links_script.links_of("typescript"),
    "tsx": links_script.links_of("tsx"),
}
_INDEX = {"python": ("__init__",), "javascript": ("index",), "typescript": ("index",), "tsx": ("index",)}
_SIDES = ("upstream", "commit")
_SHOWN = {"upstream": "upstream", "commit": "the commit"}


def check(file: CheckedFile) -> Iterator[Finding]:
    if not file.related:
        return
    project = _Project(file=file, links=_OF[file.language])
    said = set()
    for need in project.needs("text"):
        finding = project.broken(need)
        if finding is not None and (need.name, need.places) not in said:
            said.add((need.name, need.places))
            yield finding


@dataclass(frozen=True, kw_only=True)
class _Project:
    file: CheckedFile
    links: LinksOf
    read: dict[tuple[str, str], Links | None] = field(default_factory=dict)

    def needs(self, version: str) -> Sequence[Need]:
        text: bytes | None = getattr(self.file, version)
        found = self.links(self.file.path, text) if text is not None else None
        return found.needs if found is not None else ()

    def of(self, other: Neighbour, version: str) -> Links | None:
        """What another file offers in a version; None where it is not there, or cannot be read."""
        key = other.path, version
        if key not in self.read:
            text: bytes | None = getattr(other, version)
            self.read[key] = self.links(other.path, text) if text is not None else None
        return self.read[key]

    def broken(self, need: Need) -> Finding | None:
        homes = [other for other in self.file.related if serves(need, self.places(other))]
        lost = [other for other in homes if self._lost(other, need)]
        if not lost or any(
            self._offers(other, "text", need) for other in self.file.related if self._near(other, need)
        ):
            return None
        home = lost[0]
        sides = [side for side in _SIDES if self._wanted(side, need)]
        if not sides or not all(self._had(side, homes, need) for side in sides):
            return None
        remover = next((side for side in _SIDES if side not in sides), "")
        if not remover:
            return None
        return self._told(need, home, sides[0], remover)

    def places(self, other: Neighbour) -> tuple[str, ...]:
        if self.file.language == "go":
            text = next(
                t for t in (other.text, other.upstream, other.commit, other.base, b"") if t is not None
            )
            return (links_go.place_of(other.path, text),)
        return bare(other.path, _INDEX.get(self.file.language, ()))

    def _near(self, other: Neighbour, need: Need) -> bool:
        """Whether `other` may offer what is needed: the place itself, or one below it of the wanted name."""
        below = Need(
            places=tuple(f"{place}/{need.name}" for place in need.places),
            name="",
            line=need.line,
            says=need.says,
        )
        places = self.places(other)
        return serves(need, places) or (bool(need.name) and serves(below, places))

    def _lost(self, other: Neighbour, need: Need) -> bool:
        return not self._offers(other, "text", need) and any(
            self._offers(other, side, need) for side in _SIDES
        )

    def _offers(self, other: Neighbour, version: str, need: Need) -> bool:
        if getattr(other, version) is None:
            return False
        found = self.of(other, version)
        if found is None or found.anything or not need.name:
            return True
        return need.name in found.offers or not serves(need, self.places(other))

    def _wanted(self, side: str, need: Need) -> bool:
        return any((one.name, one.places) == (need.name, need.places) for one in self.needs(side))

    def _had(self, side: str, homes: Sequence[Neighbour], need: Need) -> bool:
        return any(self._offers(home, side, need) for home in homes)

    def _told(self, need: Need, home: Neighbour, user: str, remover: str) -> Finding:
        level = Level.ERROR if need.certain and not self._other_platform(home) else Level.WARNING
        what = f"{need.name!r} of {home.path!r}" if need.name else f"the file {home.path!r}"
        base = self.of(home, "base")
        at = base.offers.get(need.name) if base is not None else None
        where = f" (line {at} of the base)" if at else ""
        message = f"{_SHOWN[user]} uses {what} here, which {_SHOWN[remover]} renamed, moved or removed{where}"
        rule = "gone-name" if need.name else "gone-file"
        return told(self.file, rule, level, message, need.line)

    def _other_platform(self, home: Neighbour) -> bool:
        return self.file.language == "go" and links_go.alone(home.path, home.base or home.text or b"")
