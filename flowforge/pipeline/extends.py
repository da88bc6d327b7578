"""`extends`: several files to one tree, before anything is validated.

The rule: what a definition extends comes first, in order, and the definition itself last. Of `env`, `limits`,
`concurrency` and `triggers` single keys are replaced; `name` and `version` are replaced whole. Stages are merged by
id (a stage without one is called as what it uses): a stage whose id is there already replaces single keys of it, and
of its `with`, where it stands; a new stage goes after the one written before it in the same file, and where none
stands before it, before the first `push`, else to the end. `finally` follows the same rule.
"""

from collections.abc import Callable, Mapping, Sequence

from flowforge.pipeline.document import Node, Unreadable, read_document
from flowforge.pipeline.problems import Mark, Problem, shown, suggest

MAX_FILES = 8
SHIPPED = "flowforge:"
_ORGANIZATION = "org:"
_BY_KEY = frozenset({"env", "limits", "concurrency", "triggers", "with"})
_BY_ID = frozenset({"stages", "finally"})

Read = Callable[[str], bytes | None]


class Extender:
    """Reads a definition and everything it extends; `problems` holds what went wrong."""

    def __init__(self, read: Read, shipped: Mapping[str, bytes]) -> None:
        self.problems: list[Problem] = []
        self._read = read
        self._shipped = shipped
        self._files = 0

    def load(self, data: bytes, path: str) -> Node | None:
        """The merged tree, or None where the file itself could not be read."""
        return self._merged(data, path, (path,))

    def _merged(self, data: bytes, path: str, chain: tuple[str, ...]) -> Node | None:
        try:
            node = read_document(data, path)
        except Unreadable as error:
            self.problems.append(error.problem)
            return None
        parents = [parent for name in self._names(node) if (parent := self._parent(name, chain)) is not None]
        for parent in parents:
            (parent.entries or {}).pop("extends", None)  # its own were merged into it
        result = parents[0] if parents else node
        for child in [*parents[1:], node] if parents else ():
            result = merge(result, child)
        return result

    def _names(self, node: Node) -> list[Node]:
        """The texts under `extends`; a list with anything else is refused later, by its shape."""
        extends = node.get("extends")
        return [item for item in (extends.items or []) if isinstance(item.value, str)] if extends else []

    def _parent(self, name: Node, chain: tuple[str, ...]) -> Node | None:
        wanted = str(name.value)
        if wanted.startswith(_ORGANIZATION):
            return None  # answered by the table of what is not supported yet
        if wanted in chain:
            self._say(
                name.mark, "FF032", f"{shown(wanted)} extends itself: {' -> '.join((*chain, wanted))[:200]}"
            )
            return None
        self._files += 1
        if self._files > MAX_FILES:
            if self._files == MAX_FILES + 1:
                self._say(name.mark, "FF032", f"`extends` leads over more than {MAX_FILES} files")
            return None
        data = self._find(wanted)
        if data is None:
            meant = suggest(wanted, (SHIPPED + one for one in self._shipped))
            self._say(name.mark, "FF031", f"there is no {shown(wanted)} to extend", meant)
            return None
        return self._merged(data, wanted, (*chain, wanted))

    def _find(self, name: str) -> bytes | None:
        if name.startswith(SHIPPED):
            return self._shipped.get(name.removeprefix(SHIPPED))
        if not name or name.startswith("/") or ".." in name.split("/") or "\\" in name or ":" in name:
            return None
        return self._read(name)

    def _say(self, mark: Mark, code: str, message: str, suggestion: str = "") -> None:
        self.problems.append(Problem(mark=mark, code=code, message=message, suggestion=suggestion))


def merge(parent: Node, child: Node) -> Node:
    """`child` over `parent`, by the rule above. Where their types differ the child stands, to be refused there."""
    if parent.entries is None or child.entries is None:
        return child
    entries, marks = dict(parent.entries), {**parent.key_marks, **child.key_marks}
    for key, node in child.entries.items():
        before = entries.get(key)
        entries[key] = node if before is None else _over(key, before, node)
    return Node(mark=child.mark, entries=entries, key_marks=marks)


def _over(key: str, before: Node, after: Node) -> Node:
    if key in _BY_KEY:
        return merge(before, after)
    if key in _BY_ID and before.items is not None and after.items is not None:
        return Node(mark=after.mark, items=_by_id(before.items, after.items, appended=key == "finally"))
    return after


def _by_id(before: Sequence[Node], after: Sequence[Node], *, appended: bool) -> list[Node]:
    merged = list(before)
    previous = ""
    for stage in after:
        id_ = stage_id(stage)
        at = _index(merged, id_)
        if at is not None:
            merged[at] = merge(merged[at], stage)
        else:
            merged.insert(len(merged) if appended else _place(merged, previous), stage)
        previous = id_
    return merged


def _index(stages: Sequence[Node], id_: str) -> int | None:
    return next((n for n, stage in enumerate(stages) if id_ and stage_id(stage) == id_), None)


def _place(stages: Sequence[Node], previous: str) -> int:
    after = _index(stages, previous)
    if after is not None:
        return after + 1
    return next((n for n, stage in enumerate(stages) if stage.text("uses") == "push"), len(stages))


def stage_id(stage: Node) -> str:
    """The id under which a stage is known: its own, else what it uses."""
    return stage.text("id") or stage.text("uses")
