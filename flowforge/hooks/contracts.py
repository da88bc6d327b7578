"""The kinds of thing a plugin can register.

A registered thing is a *descriptor*: a frozen value that costs nothing to make. Where code is needed it is
named as ``"module:attribute"`` in `load` and imported on first use, often in another process; so registering a
plugin never imports its SDK, and a descriptor can be sent to a child process.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from flowforge.core.conflict import Abstain, Candidate, Conflict
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.core.spend import Price, Usage
from flowforge.core.verdict import Finding

# ---------------------------------------------------------------------------------------------- languages


@dataclass(frozen=True, kw_only=True)
class EntityRule:
    """How one kind of syntax node becomes a unit that is merged as a whole.

    `name`, `signature`, `body`, `opener` and `closer` are paths from the node: steps joined by "/", each a field
    name or a node type, or several joined by "|" of which the first that exists is taken; "." is the node
    itself. A step that ends in "*" is taken as often as it can be, or not at all: "declarator*" is the innermost
    declarator. A name may be followed by "[path=text|text]": the first such child whose node at `path` has one
    of the texts, as in "method[.=require]". A node whose name is not found is no such entity, and the next rule
    for its type is tried.
    """

    node: str  # tree-sitter node type
    kind: str  # function, class, method, variable, ...
    name: str = "name"  # "" = the node has no name and is told from others of its kind by its place
    signature: tuple[str, ...] = ()  # what tells overloads apart; asked only where a name is not unique
    body: str = ""  # the node whose children are units in turn
    opener: str = ""  # the last node of the head, where no bracket opens the body: a start tag, a heading
    closer: str = ""  # the first node of the foot, where no bracket closes the body: an end tag
    when: str = ""  # a path that must exist, e.g. "(" for a group in parentheses; "&" joins several that must
    ordered: bool = False  # its place among its neighbours has a meaning: statements, fields, calls
    counted: bool = True  # namesakes that nothing tells apart are told by their number; False: they are text


@dataclass(frozen=True, kw_only=True)
class Language:
    """What the engine must know to merge and check a language. No code: facts only."""

    id: str  # "python"
    globs: tuple[str, ...]  # gitignore-style patterns on the path, e.g. "*.py"
    grammar: str = ""  # "module:function" that returns a tree-sitter language; "" = no grammar
    entities: tuple[EntityRule, ...] = ()
    imports: tuple[str, ...] = ()  # node types of import statements
    import_when: str = ""  # a path that must exist in them, where not all nodes of those types are imports
    import_containers: tuple[str, ...] = ()  # node types that hold only imports, e.g. Go's import block
    import_source: str = ""  # path from an import to what it imports from, e.g. "module_name"
    import_names: str = ""  # path from an import to the node whose children are the imported names
    import_opaque: bool = False  # an import does not say which names it brings: a header, a namespace, a file
    wrappers: tuple[str, ...] = ()  # node types around an entity that belong to it: decorators, export
    prefixes: tuple[str, ...] = ()  # node types that stand before an entity and belong to it
    labels: tuple[str, ...] = ()  # node types that say something about all that follows them: "private:"
    transparent: tuple[
        str, ...
    ] = ()  # node types that are no container: their children stand as their parent's
    comments: tuple[str, ...] = ("comment",)
    atoms: tuple[str, ...] = ()  # node types that are never cut: two edits inside one are a conflict
    line_comment: str = ""
    indentation: bool = False  # leading whitespace has a meaning
    document: bool = False  # text or markup for readers, which is counted as a document and not as source
    commutative: tuple[str, ...] = ()  # node types whose children may stand in any order
    separators: Mapping[str, str] = field(default_factory=dict)  # commutative node type -> text between


# --------------------------------------------------------------------------------------------- validators


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """Another file that a side changed, in all its versions; None where it does not exist."""

    path: str
    text: bytes | None  # in the result
    base: bytes | None = None
    upstream: bytes | None = None
    commit: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class CheckedFile:
    """One file of the result as a validator sees it. Sides are None where the file did not exist."""

    path: str
    language: str  # id of a Language, "" = unknown
    text: bytes
    base: bytes | None = None
    upstream: bytes | None = None
    commit: bytes | None = None
    introduced: frozenset[int] = frozenset()  # 1-based lines of `text` that no side had
    added: frozenset[int] = frozenset()  # 1-based lines of `text` that upstream did not have
    resolved: tuple[tuple[int, int], ...] = ()  # line ranges (1-based, inclusive) that FlowForge wrote
    related: tuple[
        Neighbour, ...
    ] = ()  # files in which one side took away what the other's lines here may use


@dataclass(frozen=True, kw_only=True)
class Validator:
    """A check of one file. Its function `(CheckedFile) -> Iterable[Finding]` runs in a child process.

    Raising or exceeding `timeout` seconds makes an ERROR verdict, never a pass.
    """

    id: str
    check: str  # the word in `validate: {checks: [...]}` that switches it on: markers, syntax, security, ...
    load: str  # "module:function"
    languages: tuple[str, ...] = ()  # ids; empty = every file
    globs: tuple[str, ...] = ()  # gitignore-style; files of other paths are not handed to it; empty = all
    timeout: float = 10.0


class Check(Protocol):
    def __call__(self, file: CheckedFile) -> Iterable[Finding]: ...


# -------------------------------------------------------------------------------------------------- hosts


@dataclass(frozen=True, kw_only=True)
class HostUrls:
    """Where a change and its branch are shown to people; empty strings where a host has no such page."""

    repository: str = ""
    branch: str = ""
    commit: str = ""


@dataclass(frozen=True, kw_only=True)
class GitHost:
    """A place where repositories live. `load` names a factory of the host's client, used by later hooks."""

    id: str  # "plain", "github"
    domains: tuple[str, ...] = ()  # host names it answers for; empty = any other
    capabilities: frozenset[str] = frozenset()
    load: str = ""


# ------------------------------------------------------------------------------------------------- models


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One question, in the order in which it is read: what is equal for many requests comes first.

    A provider that can cache a prefix marks the ends of `system` and of `shared`.
    """

    model: str
    system: str  # equal for every request of one version of the prompts
    prompt: str
    shared: str = ""  # equal for all requests about one commit; "" = none
    schema: Mapping[str, object]  # JSON schema that the answer must satisfy
    max_output: int = 4096  # tokens of the answer
    thinking: int = (
        0  # tokens that it may think before it answers, billed as output; 0 = not where that can be
    )
    operation: str = "resolve"


@dataclass(frozen=True, kw_only=True)
class ModelAnswer:
    text: str  # JSON by the request's schema; not yet checked
    usage: Usage
    stop: (
        str  # end | max_tokens | refusal | other | cut (broke off after it began; `usage` is its upper bound)
    )
    request_id: str = ""
    why: str = ""  # where it was cut, for people: "the deadline was over"; never a secret


class ModelProvider(Protocol):  # one whose descriptor says `batches` keeps `BatchProvider` too
    """A model service. Every method may block; `deadline` is seconds from now.

    Raises the errors of `flowforge.core.errors` only: `Temporary` for rate limits, overload and outages (with
    the server's own delay), `Refused` for a refusal, a request too long or an answer that is none, `Broken` for a
    missing or wrong key.
    """

    def complete(self, request: ModelRequest, deadline: float) -> ModelAnswer: ...

    def count_tokens(self, request: ModelRequest) -> int:
        """An upper bound of the request's input tokens; must not be below what will be billed."""
        ...


class BatchProvider(ModelProvider, Protocol):
    """A provider that also answers later and cheaper. A batch is one request here; its id outlives the process."""

    def submit(self, request: ModelRequest, deadline: float) -> str:
        """Hand a request in; returns an id of the batch, which only this provider reads. Raises as `complete`.

        Where it raises nothing was taken and nothing is billed. Where the service may have taken it without
        saying so, the id is of a batch whose answer is `cut` at its upper bound.
        """
        ...

    def collect(self, batch: str, deadline: float) -> ModelAnswer | None:
        """The answer; None while it is being worked on, or while the service does not say. Ask again then.

        An answer that got lost is `cut`, with the upper bound of what it was billed.

        Raises:
            Temporary: it ended without an answer and without a bill (expired, cancelled, errored): ask anew.
            Refused, Broken: as `complete`, without a bill: asking anew does not help.
        """
        ...

    def withdraw(self, batch: str, deadline: float) -> None:
        """Cancel what nobody waits for any more; one that has ended is left alone.

        What was in the midst of it may still be answered and billed: `collect` tells. Raises as `complete`.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Model:
    """A provider as registered. `load` names a factory `(settings: Mapping[str, str]) -> ModelProvider`."""

    id: str  # "anthropic"
    load: str
    default_model: str = ""
    secret: str = ""  # name of the setting that holds its key, "" = needs none
    batches: bool = False  # its provider is a `BatchProvider`
    scripted: bool = False  # answers come from a script, and every report says so
    prices: Mapping[str, Price] = field(default_factory=dict)  # a missing model is refused, never guessed


# ---------------------------------------------------------------------------------------------- resolvers


@dataclass(frozen=True, kw_only=True)
class ResolveContext:
    """What a resolver may know beside the conflict."""

    language: Language | None = None
    others: Mapping[str, bytes] = field(default_factory=dict)  # path -> upstream text, for manifests
    deadline: float = 5.0  # seconds for this file


@dataclass(frozen=True, kw_only=True)
class Resolver:
    """A rung's rule. `load` names a function `(Conflict, ResolveContext) -> Candidate | Abstain`.

    It runs in a child process under the context's deadline, and must answer the same for the same input.
    """

    name: str
    rung: str  # mechanical | document | lockfile | structural, or a new word that pipelines may list
    load: str
    globs: tuple[str, ...] = ()  # paths it is for; empty = all
    whole: bool = False  # is asked about conflicts without hunks too (a deleted file, a link, a mode)
    hunks: bool = True  # is asked about conflicts with hunks


class Resolve(Protocol):
    def __call__(self, conflict: Conflict, context: ResolveContext) -> Candidate | Abstain: ...


# ------------------------------------------------------------------------------------------------- stages


class StageContext(Protocol):
    """What a plugin's stage is handed: narrow on purpose, no credentials, no database."""

    branch: str
    target: str
    head: str  # commit id the earlier stages arrived at
    tree: str  # its tree

    def log(self, text: str) -> None: ...

    def run(self, command: str, *, timeout: float) -> tuple[int, bytes]:
        """Run a shell command in the sandbox on an export of `tree`; exit status and output."""
        ...


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage that pipelines may name in `uses`. `load`: `(StageSpec, StageContext) -> StageResult`."""

    name: str
    load: str
    options: Mapping[str, object] = field(default_factory=dict)  # JSON schema of its `with`
    needs_files: bool = False


class RunStage(Protocol):
    def __call__(self, spec: StageSpec, context: StageContext) -> StageResult: ...


# ------------------------------------------------------------------------------------- keys and push gate


class KeyProvider(Protocol):
    """Wraps and unwraps data keys; raises `Broken` with reason `configuration` when it cannot."""

    def wrap(self, key: bytes, context: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes: ...


@dataclass(frozen=True, kw_only=True)
class Keys:
    """A key provider as registered. `load` names a factory `(settings: Mapping[str, str]) -> KeyProvider`."""

    id: str
    load: str


@dataclass(frozen=True, kw_only=True)
class PushPlan:
    """What is about to be pushed; a `before_push` hook may veto it with a sentence."""

    repository: str
    ref: str
    old: str
    new: str
    tree: str
    commits: int
    resolved_paths: Sequence[str] = ()
