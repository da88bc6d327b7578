"""What may act: which rungs a repository has earned, and which paths are never touched."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import pathspec

from flowforge.resolve.counts import Action
from flowforge.resolve.priors import shipped_actions

__all__ = ["PATH", "PROTECTED", "Action", "Paths", "Policy", "Standing", "matches"]

PATH = (
    "path"  # the kind of a conflict without places, whatever the file: a rule has one record for all of them
)
PROTECTED = (  # gitignore-style; a person decides there unless the pipeline says otherwise
    "/.github/",
    "/.gitlab/",
    "/.gitlab-ci.yml",
    "/.circleci/",
    "/Jenkinsfile",
    "CODEOWNERS",
    ".gitattributes",
    ".gitmodules",
    "/.flowforge.yml",
    "/.flowforge/",
    "*.lock",
    "*.lockb",
    "gems.locked",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "go.sum",
    "gradle.lockfile",
    "packages.lock.json",
)


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Path rules of a pipeline, gitignore-style globs."""

    never: tuple[str, ...] = ()  # always a person
    ask: tuple[str, ...] = ()  # propose, and wait for a person's approval
    protected: tuple[str, ...] = PROTECTED
    allowed: tuple[str, ...] = ()  # protected paths that the pipeline opens
    regenerated: frozenset[str] = (
        frozenset()
    )  # protected paths that the rung lockfile writes anew, and nobody merges

    def forbids(self, path: str) -> str:
        """Why no rung may touch `path`, as a sentence; "" when it may."""
        if matches(self.never, path):
            return f"the pipeline leaves {path!r} to a person (resolve: never): resolve it by hand"
        if path in self.regenerated:
            return ""
        if matches(self.protected, path) and not matches(self.allowed, path):
            return f"{path!r} is a protected path, where a person decides: resolve it by hand"
        return ""

    def asks(self, path: str) -> bool:
        return matches(self.ask, path)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a rule may do here with files of one kind, and its record in the repository's own history."""

    action: Action
    right: int
    cases: int

    @property
    def record(self) -> str:
        return f"right {self.right} of {self.cases} in this repository's history"

    def sentence(self, rung: str, *, acts: bool) -> str:
        """For the person who reads why an answer was taken; `acts`: nobody has to confirm it."""
        return f"{rung} {'acts' if acts else 'must be confirmed'} here: {self.record}"


def _unknown(_path: str) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Actions by "rung" or, more exact, "rung/rule"; a word that is not listed has `otherwise`.

    Without a history of its own, a repository starts from the shipped counts. With one, `standings` speak first:
    they are by ("rung/rule", kind of file), and `kind` says of which kind a path is.
    """

    actions: Mapping[str, Action] = field(default_factory=shipped_actions)
    otherwise: Action = Action.CONFIRM
    paths: Paths = Paths()
    standings: Mapping[tuple[str, str], Standing] = field(default_factory=dict)
    kind: Callable[[str], str] = _unknown  # path -> word of `resolve.kinds.FileKind`

    def action(self, rung: str, rule: str = "", path: str = "", *, whole: bool = False) -> Action:
        """What a rule's answer is worth here. `whole`: the conflict has no places, and is about its path."""
        own = self._own(rung, rule, path, whole)
        if own is not None:
            return own.action
        exact = self.actions.get(f"{rung}/{rule}")
        return exact if exact is not None else self.actions.get(rung, self.otherwise)

    def standing(self, rung: str, rule: str, path: str, *, whole: bool = False) -> Standing | None:
        """The rule's record with such files, None where the repository's history knows no case."""
        own = self._own(rung, rule, path, whole)
        return own if own is not None and own.cases else None

    def _own(self, rung: str, rule: str, path: str, whole: bool) -> Standing | None:
        if not self.standings:
            return None
        return self.standings.get((f"{rung}/{rule}", PATH if whole else self.kind(path)))


def matches(globs: Iterable[str], path: str) -> bool:
    """Whether gitignore-style `globs` name `path`; the last match decides, `!` takes back."""
    return _spec(tuple(globs)).match_file(path)


@lru_cache(maxsize=256)
def _spec(globs: tuple[str, ...]) -> pathspec.GitIgnoreSpec:
    return pathspec.GitIgnoreSpec.from_lines(globs)
