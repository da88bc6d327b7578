"""The entry point: which verb is what. A verb's module is imported when it is used, not before.

To add a verb, add one line to `VERBS`: its name, ``"module:attribute"`` of a typer app (made by `cli.app.group` or
`cli.app.single`) and a sentence. A verb that needs parts which only `wiring` may build (a local runner, servers)
names a second ``"module:attribute"`` in `parts`; the command reads that object as `ctx.obj`.
"""

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowforge import __version__

COMPLETE = "_FLOWFORGE_COMPLETE"
_USAGE, _BROKEN, _INTERRUPTED = 2, 3, 130
_COMPLETION = ("--install-completion", "--show-completion")


@dataclass(frozen=True, kw_only=True)
class Verb:
    app: str  # "module:attribute" of a typer app
    summary: str
    parts: str = ""  # "module:attribute" of what it is handed as ctx.obj
    quick: str = ""  # "module:attribute" of `(words) -> exit code`, asked first; None: ask the app


VERBS: Mapping[str, Verb] = {
    "job": Verb(app="flowforge.cli.job:app", summary="Submit jobs, watch them, stop them, run them again."),
    "repo": Verb(app="flowforge.cli.repo:app", summary="Add, list, change and remove repositories."),
    "queue": Verb(app="flowforge.cli.queue:app", summary="See why jobs wait; pause and resume the queue."),
    "memory": Verb(
        app="flowforge.cli.memory:app",
        summary="What a repository remembers of answers; make it forget.",
        parts="flowforge.wiring.keeping:keeper_of",
    ),
    "schedule": Verb(
        app="flowforge.cli.schedule:app", summary="Submit a job again and again: cron schedules."
    ),
    "budget": Verb(app="flowforge.cli.budget:app", summary="What models may cost and what they did cost."),
    "demo": Verb(
        app="flowforge.cli.demo:app",
        summary="See it work: a service, real conflicts, a refusal. 15 seconds.",
        parts="flowforge.wiring.demo:PARTS",
    ),
    "up": Verb(
        app="flowforge.cli.up:app",
        summary="Run the whole service on this machine.",
        parts="flowforge.wiring.up:start",
    ),
    "run": Verb(
        app="flowforge.cli.run:app",
        summary="Run one pipeline here, without a service.",
        parts="flowforge.wiring.local:run_asked",
    ),
    "simulate": Verb(
        app="flowforge.cli.simulate:app",
        summary="Say what a run would do with each branch, free.",
        parts="flowforge.wiring.simulate:simulate_asked",
    ),
    "replay": Verb(
        app="flowforge.cli.replay:app",
        summary="Measure the rungs on a repository's own merges.",
        parts="flowforge.wiring.replay:replay_asked",
    ),
    "calibrate": Verb(
        app="flowforge.cli.calibrate:app",
        summary="Count what each rule has earned there; write its policy.",
        parts="flowforge.wiring.calibrate:calibrate_asked",
        quick="flowforge.cli.earning:served",
    ),
    "merge-driver": Verb(
        app="flowforge.cli.merging:driver_app",
        summary="Merge one file for git: see flowforge help merge-driver.",
        parts="flowforge.wiring.merging:merge_asked",
        quick="flowforge.wiring.merging:driven",
    ),
    "merge-file": Verb(
        app="flowforge.cli.merging:file_app",
        summary="Merge three files, as git merge-file does.",
        parts="flowforge.wiring.merging:merge_asked",
    ),
    "init": Verb(app="flowforge.cli.init:app", summary="Propose a .flowforge.yml for a repository."),
    "doctor": Verb(
        app="flowforge.cli.doctor:app",
        summary="Check this machine and its settings; a fix for each problem.",
        parts="flowforge.wiring.doctor:examine",
    ),
    "pipeline": Verb(app="flowforge.cli.pipeline:app", summary="Check, print and show pipeline definitions."),
    "serve": Verb(
        app="flowforge.cli.serve:app",
        summary="Run one process of a service: api, relay, worker.",
        parts="flowforge.wiring.main:serve",
    ),
    "db": Verb(
        app="flowforge.cli.db:app",
        summary="Bring the database up to date, keep it in order.",
        parts="flowforge.wiring.maintain:VERBS",
    ),
    "plugins": Verb(app="flowforge.cli.plugins:app", summary="List plugins, the failed ones too."),
    "explain": Verb(app="flowforge.cli.explain:app", summary="Explain a problem's code or a reason."),
    "help": Verb(app="flowforge.cli.topics:app", summary="Show a page of the documentation."),
}

SERVE: Mapping[str, str] = {
    "api": "flowforge.wiring.serve_api:serve",
    "relay": "flowforge.wiring.serve_relay:serve",
    "worker": "flowforge.wiring.serve_worker:serve",
}


def serve(name: str) -> object:
    """Run one process of a service; only its own parts are imported."""
    settings = resolve("flowforge.settings:read_settings")()
    return resolve(SERVE[name])(settings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `flowforge`; returns the exit code, which the console script passes on."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in {"--version", "-V"}:
        print(f"flowforge {__version__}")
        return 0
    if COMPLETE in os.environ or (words and words[0] in _COMPLETION):
        return _complete(words)
    if not words or words[0] in {"--help", "-h"}:
        print(overview(VERBS), file=sys.stdout if words else sys.stderr)
        return 0 if words else _USAGE
    verb = VERBS.get(words[0])
    if verb is None:
        return _unknown(words[0])
    return _run(verb, words[0], words[1:])


def overview(verbs: Mapping[str, Verb]) -> str:
    """The text of `flowforge --help`, at most 80 columns wide."""
    width = max(map(len, verbs))
    lines = [f"  {name.ljust(width)}  {verb.summary}" for name, verb in verbs.items()]
    return "\n".join(
        [
            "FlowForge keeps branches mergeable: rebase, resolve, validate, test, push.",
            "",
            "Usage: flowforge VERB [ARGUMENTS]",
            "",
            "Verbs:",
            *lines,
            "",
            "flowforge VERB --help tells more; flowforge --version, --install-completion.",
            "Data goes to stdout, talk to stderr; exit codes: flowforge help cli.",
        ]
    )


def _unknown(word: str) -> int:
    import difflib

    close = difflib.get_close_matches(word[:40], VERBS, n=1)
    meant = f" (did you mean {close[0]!r}?)" if close else ""
    print(f"error: there is no verb {word[:40]!r}{meant}\nnext: flowforge --help", file=sys.stderr)
    return _USAGE


def _run(verb: Verb, name: str, arguments: Sequence[str]) -> int:
    try:
        with _no_collection():
            if verb.quick and (code := resolve(verb.quick)(list(arguments))) is not None:
                return int(code)
            from flowforge.cli.app import run_verb

            app = resolve(verb.app)
            parts = resolve(verb.parts) if verb.parts and "--help" not in arguments else None
    except ImportError as error:
        return _not_installed(name, error)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return run_verb(app, name, arguments, parts)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Import without looking for garbage: nearly all that is made stays, and the looking is a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _not_installed(name: str, error: ImportError) -> int:
    """A verb may need an extra that is not there; only developers want to see from where."""
    if os.environ.get("FLOWFORGE_DEBUG"):
        raise error
    print(f"error: `flowforge {name}` cannot start here: {error}", file=sys.stderr)
    print("reason: configuration", file=sys.stderr)
    print("next: install FlowForge with its extras: pip install 'flowforge[embedded]'", file=sys.stderr)
    return _BROKEN


def _complete(arguments: Sequence[str]) -> int:
    """Shell completion needs the whole tree, so every verb that can be imported is."""
    from flowforge.cli.completion import complete

    apps = {}
    for name, verb in VERBS.items():
        with contextlib.suppress(ImportError):
            apps[name] = (resolve(verb.app), verb.summary)
    return complete(apps, arguments)


def resolve(load: str) -> Any:
    module, _, attribute = load.partition(":")
    return getattr(importlib.import_module(module), attribute)


if __name__ == "__main__":
    raise SystemExit(main())
