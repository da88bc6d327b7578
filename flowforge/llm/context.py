"""What is told of a conflict beside its hunks, gathered from the mirror and by child processes.

Made for the conflicts of one commit: what its files share is read once. Everything but the commit itself may be
missing: a child that is too slow, or a question that git does not answer, makes the prompt poorer and nothing else.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Protocol

from flowforge.core.conflict import Conflict
from flowforge.core.errors import FlowForgeError, Reason
from flowforge.git.command import Git
from flowforge.git.objects import TREE_MODE, Entry, Objects
from flowforge.hooks.contracts import Language
from flowforge.merge import habits, surroundings
from flowforge.merge.around import beside
from flowforge.merge.defined import LOAD as DEFINED
from flowforge.merge.defined import Definition, Known, Wanted
from flowforge.merge.surroundings import Surroundings
from flowforge.resolve.prompt import Facts
from flowforge.resolve.rungs import language_of
from flowforge.resolve.whence import places

GIT: Final = 3.0  # seconds for a question about the region's history
CHILD: Final = 2.0  # seconds for one reading of a file
MOST_COMMITS: Final = 6
_LINES: Final = 2  # around each change of the commit's diff
_MOST_FILES: Final = 8  # that imports lead to
_NEIGHBOURS: Final = 8  # files of the same folder, in which habits are measured
_LARGEST: Final = 1 << 18  # bytes of one that is read
_INDEX: Final = ("__init__", "index", "mod")  # files that stand for their folder


class InChild(Protocol):
    """Calls ``"module:function"`` in a child process. Raises as `sandbox.pool.Pool.call`."""

    def __call__(self, load: str, *args: object, deadline: float) -> object: ...


@dataclass(kw_only=True)
class Context:
    """Facts for the conflicts of one commit."""

    git: Git
    commit: str  # the one that is replayed
    upstream: str  # onto which
    merge_base: str
    languages: Iterable[Language]
    paths: Sequence[str]  # of all conflicts of the commit
    call: InChild
    _commit: tuple[str, str] | None = None
    _habits: dict[tuple[str, str], Sequence[str]] = field(default_factory=dict)

    def facts(self, conflict: Conflict) -> Facts:
        """Everything that is known around a conflict.

        Raises:
            FlowForgeError: the commit itself cannot be read, or the job was cancelled.
        """
        language = language_of(conflict.path, self.languages)
        path = conflict.upstream.path if conflict.upstream is not None else conflict.path
        with ThreadPoolExecutor(1) as beside_it:  # git and the children wait for other processes, not for us
            commit = beside_it.submit(self._of_commit)
            near = self._surroundings(conflict, language)
            history = beside_it.submit(self._history, path, near)
            there, kept = self._elsewhere(conflict, path, near.known, language)
            (message, diff), commits = commit.result(), history.result()
        return Facts(
            onto=self.upstream,
            message=message,
            diff=diff,
            paths=tuple(self.paths),
            language=language.id if language else "",
            upstream_commits=commits,
            places=near.places,
            definitions=(*near.known.definitions, *there),
            repository=kept,
        )

    def _of_commit(self) -> tuple[str, str]:
        if self._commit is None:
            shown = self._git(
                "show", "--format=%B%x00", "--no-color", "--no-ext-diff", f"-U{_LINES}", self.commit
            )
            message, _, diff = shown.partition("\0")
            self._commit = message, diff.lstrip("\n")
        return self._commit

    def _surroundings(self, conflict: Conflict, language: Language | None) -> Surroundings:
        if language is not None and language.grammar:
            read = self._child(surroundings.LOAD, conflict, language)
            if isinstance(read, Surroundings):
                return read
        return Surroundings(places=beside(conflict))

    def _history(self, path: str, near: Surroundings) -> Sequence[str]:
        """Upstream's commits that touched the lines around the hunks, newest first: short id and subject."""
        regions = [f"-L{one.lines[0]},{one.lines[1]}:{path}" for one in near.places if one.lines[0]]
        words = (
            "--no-color",
            "--abbrev=10",
            "--format=%h %s",
            f"-{MOST_COMMITS}",
            f"{self.merge_base}..{self.upstream}",
        )
        if not self.merge_base:
            return ()
        if regions and (said := self._quietly("log", "--no-patch", *words, *regions)):
            return said.splitlines()
        return self._quietly("log", *words, "--", f":(literal){path}").splitlines()

    def _elsewhere(
        self, conflict: Conflict, path: str, known: Known, language: Language | None
    ) -> tuple[Sequence[Definition], Sequence[str]]:
        """Definitions in files that imports lead to, and habits of the files in the same folder."""
        if language is None:
            return (), ()
        try:
            with self.git.objects() as objects:
                tree = _Tree(objects=objects, root=objects.commit(self.upstream).tree)
                there = self._definitions(tree, path, known.imports, language)
                return there, self._kept(tree, path, conflict, language)
        except FlowForgeError as error:
            _pass_on(error)
            return (), ()

    def _definitions(
        self, tree: "_Tree", path: str, imports: Sequence[Wanted], language: Language
    ) -> Sequence[Definition]:
        wanted: dict[str, list[str]] = {}
        files: dict[str, bytes] = {}
        for one in imports:
            for found, text in self._files(tree, one, path, language):
                files[found] = text
                wanted.setdefault(found, []).extend(one.names)
            if len(files) >= _MOST_FILES:
                break
        files.pop(path, None)
        if not files:
            return ()
        said = self._child(DEFINED, files, wanted, dict.fromkeys(files, language))
        return said if isinstance(said, tuple) else ()

    def _files(
        self, tree: "_Tree", wanted: Wanted, path: str, language: Language
    ) -> Iterator[tuple[str, bytes]]:
        """The files that an import leads to in which one of the wanted names stands."""
        stems = (list(tree.files(stem, _endings(language))) for stem in places(wanted.source, path))
        for name, entry in next((found for found in stems if found), []):
            text = tree.read(entry)
            if any(word.encode() in text for word in wanted.names):
                yield name, text

    def _kept(self, tree: "_Tree", path: str, conflict: Conflict, language: Language) -> Sequence[str]:
        folder = posixpath.dirname(path)
        key = (path, language.id) if language.document else (folder, language.id)
        if key not in self._habits:
            names = [path] if language.document else _spread(tree.of(folder, _endings(language)), path)
            texts = {name: text for name in names if (text := tree.text(name))}
            own = conflict.upstream.content if conflict.upstream is not None else None
            texts.setdefault(path, (own or b"")[: habits.LARGEST])
            said = self._child(habits.LOAD, texts, language)
            self._habits[key] = said if isinstance(said, tuple) else ()
        return self._habits[key]

    def _child(self, load: str, *args: object) -> object:
        """None where the child was late or failed."""
        try:
            return self.call(load, *args, deadline=CHILD)
        except FlowForgeError as error:
            _pass_on(error)
            return None

    def _quietly(self, *argv: str) -> str:
        try:
            return self.git.run(*argv, deadline=GIT).decode("utf-8", "replace")
        except FlowForgeError as error:
            _pass_on(error)
            return ""

    def _git(self, *argv: str) -> str:
        return self.git.run(*argv).decode("utf-8", "replace")


def _pass_on(error: FlowForgeError) -> None:
    """A job that was cancelled stops; anything else that goes wrong here only leaves a part out."""
    if error.reason is Reason.CANCELLED:
        raise error


def _endings(language: Language) -> tuple[str, ...]:
    return tuple(glob[1:] for glob in language.globs if glob.startswith("*."))


def _spread(names: Sequence[str], path: str) -> Sequence[str]:
    """A few of the names, evenly spread, and the file itself."""
    step = max(1, len(names) // _NEIGHBOURS)
    return [path, *(name for name in names[::step] if name != path)][:_NEIGHBOURS]


@dataclass(kw_only=True)
class _Tree:
    """Files of one commit, folder by folder."""

    objects: Objects
    root: str
    _folders: dict[str, Mapping[str, Entry]] = field(default_factory=dict)

    def folder(self, path: str) -> Mapping[str, Entry]:
        if path not in self._folders:
            self._folders[path] = self._read(path)
        return self._folders[path]

    def _read(self, path: str) -> Mapping[str, Entry]:
        oid = self.root
        if path:
            parent, name = posixpath.split(path)
            entry = self.folder(parent).get(name)
            if entry is None or entry.mode != TREE_MODE:
                return {}
            oid = entry.oid
        return {entry.name.decode("utf-8", "surrogateescape"): entry for entry in self.objects.tree(oid)}

    def of(self, path: str, endings: Sequence[str]) -> list[str]:
        """The names of a folder's files that end so, in order."""
        names = sorted(self.folder(path))
        return [posixpath.join(path, name) for name in names if name.endswith(tuple(endings))]

    def files(self, stem: str, endings: Sequence[str]) -> Iterator[tuple[str, Entry]]:
        """The file at `stem` with one of the endings, or the file or files for which that folder stands."""
        parent, name = posixpath.split(stem)
        here = self.folder(parent)
        found = [name, *(name + ending for ending in endings)]
        files = [one for one in found if one in here and _regular(here[one])]
        if files:
            yield from ((posixpath.join(parent, one), here[one]) for one in files)
            return
        if name not in here:
            return
        inside = self.folder(stem)
        index = [base + ending for base in _INDEX for ending in endings if base + ending in inside]
        names = index or [one for one in sorted(inside) if one.endswith(tuple(endings))]
        wanted = [one for one in names if _regular(inside[one])][:_MOST_FILES]
        yield from ((posixpath.join(stem, one), inside[one]) for one in wanted)

    def text(self, path: str) -> bytes:
        parent, name = posixpath.split(path)
        entry = self.folder(parent).get(name)
        return self.read(entry)[: habits.LARGEST] if entry is not None and _regular(entry) else b""

    def read(self, entry: Entry) -> bytes:
        """Its bytes; none where it is larger than is read."""
        info = self.objects.info(entry.oid)
        return self.objects.read(entry.oid, "blob") if info is not None and info.size <= _LARGEST else b""


def _regular(entry: Entry) -> bool:
    return entry.mode.startswith("100")
