"""The faults of the reliability page as a table, the tests that prove each row, and the page that shows both.

    @proves("F37", "F38")                                   # on a test
    pytest.param("push.done:kill9", marks=proves("F17"))    # or on one case of it

`python -m tests.faults.table` runs every test that proves a row and writes the table with its results into
`flowforge/docs/faults.md`; `--only F37 F46` runs some rows and keeps the other results; `--list` runs nothing and
brings only the names up to date; `--check` says whether they are. A test that injects a fault many times says how often and from which seed:
`record_property("count", 20)`, `record_property("seed", 7)`.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "flowforge" / "docs" / "faults.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"  # what stands between is written by this module
STAGES = ("clone", "rebase", "resolve", "validate", "test", "push")
STEPS = {  # before the effect, after it, after its record
    "begun": "before it does anything",
    "done": "after its work, before its record",
    "recorded": "after its record",
}
PLACES = tuple(f"{stage}.{step}" for stage in STAGES for step in STEPS)
NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault and what is promised about it."""

    id: str
    fault: str
    outcome: str
    later: str = ""  # what it waits for; a row that waits needs no test


def proves(*rows: str) -> pytest.MarkDecorator:
    """Say that a test injects these faults and asks for their outcome."""
    unknown = set(rows) - set(ROWS)
    if not rows or unknown:
        raise ValueError(f"no such rows: {sorted(unknown)}")
    return pytest.mark.faults(*rows)


def at_each_place(first: int) -> tuple[pytest.MarkDecorator, ...]:
    """The eighteen places as rows from F<first> on, in the order of PLACES."""
    return tuple(proves(f"F{first + number}") for number in range(len(PLACES)))


def _places(first: int, what: str, outcomes: Mapping[str, str]) -> list[Row]:
    return [
        Row(
            id=f"F{first + number}",
            fault=f"{what} in {place.partition('.')[0]}, {STEPS[place.partition('.')[2]]}",
            outcome=outcomes[place.partition(".")[2]],
        )
        for number, place in enumerate(PLACES)
    ]


_AGAIN = "claimed again when the lease ends; the stage runs again"
_SKIPPED = "claimed again when the lease ends; the stage is skipped by its record"
_STALE = "the new owner ends the job; the old one's next write is refused; no second push"
_WEBHOOKS = "webhooks"
_LIMITS = "the limits of the HTTP edge"
_TENANTS = "organizations side by side"
_PODS = "workers in a cluster"

_KILLED = _places(1, "kill -9 of the worker", {"begun": _AGAIN, "done": _AGAIN, "recorded": _SKIPPED})
_STOPPED = _places(19, "SIGSTOP past the lease, then SIGCONT,", dict.fromkeys(STEPS, _STALE))
_OTHERS = [
    ("F37", "kill -9 at a random moment inside a push", "converges; one line in the reflog", ""),
    ("F38", "the reply to a push is lost", "the remote is asked again; one line in the reflog", ""),
    ("F39", "a person pushes meanwhile", "the person's commit stands; `remote_moved`", ""),
    ("F40", "50 jobs on one ref", "one lease at a time; all end", ""),
    ("F41", "a stale and a new owner push different commits", "one of them lands, once", ""),
    ("F42", "the API is killed after COMMIT", "the same job by its idempotency key; rung within 10 s", ""),
    ("F43", "the API is killed before COMMIT", "no job; the same key makes one", ""),
    ("F44", "the reply to COMMIT is lost", "the same job by its idempotency key", ""),
    ("F45", "one doorbell is sent 100 times", "one claim, 99 times nothing", ""),
    ("F46", "FLUSHALL with jobs queued (1000 in the long form)", "all run", ""),
    (
        "F47",
        "Redis is away (60 s in the long form)",
        "the API still answers 202; drained within 10 s of its return",
        "",
    ),
    ("F48", "Redis answers READONLY, NOREPLICAS, OOM", "all run; health says degraded", ""),
    ("F49", "replies of Redis are lost", "all run, each once", ""),
    ("F50", "Redis hangs", "the API still answers; all run afterwards", ""),
    ("F51", "Postgres is killed in each stage", "503 and Retry-After; pools reconnect; no half state", ""),
    ("F52", "Postgres fails over", "pools reconnect without a restart; no half state", ""),
    ("F53", "the pool of connections is exhausted", "503 and Retry-After", ""),
    ("F54", "the disk of Postgres is full", "503 and Retry-After; no half state", ""),
    (
        "F55",
        "git host: refused, timeout, reset half-way, 401, 403, 404, 429, 500, 1 B/s, truncated pack, redirect",
        "a typed reason; retried only where it may pass; no credential elsewhere",
        "",
    ),
    (
        "F56",
        "git host: ref deleted, protected, hook rejects, non-fast-forward",
        "a typed reason; nothing pushed",
        "",
    ),
    (
        "F57",
        "model: 429, 529, 500, 413, 401, spend limit, hang, cut, error event, empty, garbage, max_tokens, refusal",
        "retry-after honoured; bounded; on an outage the job waits for its next attempt",
        "",
    ),
    (
        "F58",
        "a model's reply is recorded, then the worker is killed",
        "reply reused; no second charge; a reply that was not recorded is booked at its worst",
        "",
    ),
    ("F59", "disk full at clone, rebase, test", "`no_space`, cleaned up", ""),
    ("F60", "out of memory: of a test, of the worker", "a typed reason; neighbours unharmed", ""),
    ("F61", "a job that kills every worker", "given up at `max_attempts`; neighbours unharmed", ""),
    ("F62", "clocks that differ", "the database's time decides", ""),
    ("F63", "a webhook twice, 100 times at once, days later", "one job", _WEBHOOKS),
    ("F64", "cancel in each state", "`cancelled` means not pushed; processes dead within 10 s", ""),
    ("F65", "SIGTERM, and a rolling deploy during 200 jobs", "handed over within 30 s; none lost", ""),
    ("F66", "old and new code over a migration", "both run on the new schema", ""),
    ("F67", "slow clients", "bounded time and buffers", _LIMITS),
    ("F68", "a body of 200 MB, a bomb, deep JSON, NaN, duplicate keys", "limits before buffering", _LIMITS),
    ("F69", "a log reader that stalls", "bounded buffers; the job is not held up", _LIMITS),
    ("F70", "a plugin raises, hangs, leaks", "the plugin is named; neighbours unharmed", "hosted plugins"),
    ("F71", "the key store is away", "a typed reason; nothing half sealed", "key stores"),
    ("F72", "a test leaves daemons, forks, floods", "they die with the sandbox", "attacks on the sandbox"),
    ("F73", "a node is lost", "its jobs run elsewhere", _PODS),
    ("F74", "10 000 jobs queued by one tenant", "a fair share for the others", _TENANTS),
    ("F75", "everybody comes back at once", "no collapse", _TENANTS),
]
ROWS: Mapping[str, Row] = {
    row.id: row
    for row in (
        *_KILLED,
        *_STOPPED,
        *(Row(id=id_, fault=fault, outcome=outcome, later=later) for id_, fault, outcome, later in _OTHERS),
    )
}


# ------------------------------------------------------------------------------------------------- what was found


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the tests of one row came to, as the page shows it."""

    word: str = NOT_RUN  # holds | broken | not run
    count: int = 0  # how often the fault was injected
    seeds: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Collector:
    """A plugin that notes which tests prove which rows, runs only those of `only`, and keeps their results."""

    only: frozenset[str] = frozenset()
    proofs: dict[str, list[str]] = field(default_factory=dict)  # row -> node ids
    outcomes: dict[str, str] = field(default_factory=dict)  # node id -> passed | failed | skipped
    properties: dict[str, dict[str, object]] = field(default_factory=dict)  # node id -> what it recorded

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        kept = []
        for item in items:
            rows = {row for mark in item.iter_markers("faults") for row in mark.args}
            for row in rows:
                self.proofs.setdefault(row, []).append(item.nodeid)
            if rows and (not self.only or rows & self.only):
                kept.append(item)
        items[:] = kept

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            earlier = self.outcomes.get(report.nodeid)
            self.outcomes[report.nodeid] = "failed" if earlier == "failed" else report.outcome
            self.properties[report.nodeid] = dict(report.user_properties)

    def results(self) -> dict[str, Result]:
        """Of the rows that were asked now."""
        found = {row: self.result(row) for row in ROWS}
        return {row: result for row, result in found.items() if result.word != NOT_RUN}

    def result(self, row: str) -> Result:
        ran = [node for node in self.proofs.get(row, []) if node in self.outcomes]
        words = {self.outcomes[node] for node in ran}
        if not ran or words == {"skipped"}:
            return Result()
        passed = [self.properties[node] for node in ran if self.outcomes[node] == "passed"]
        return Result(
            word="broken" if "failed" in words else "holds",
            count=sum(int(str(noted.get("count", 1))) for noted in passed),
            seeds=tuple(sorted({str(noted["seed"]) for noted in passed if "seed" in noted})),
        )


def _files() -> list[str]:
    """The files in which a test says that it proves a row."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(file) for file in files if re.search(r"\b(proves|at_each_place)\(", file.read_text())]


# ------------------------------------------------------------------------------------------------------- the page


def short(nodes: Iterable[str]) -> str:
    """The tests of a row without their cases, each once, as the page names them."""
    names = dict.fromkeys(node.partition("[")[0] for node in nodes)
    return "<br>".join(f"`{name.removeprefix('tests/')}`" for name in names)


def line(row: Row, nodes: Sequence[str], result: Result) -> str:
    proof = short(nodes) or (f"comes with {row.later}" if row.later else "nothing yet")
    ran = result.word != NOT_RUN
    cells = (
        row.id,
        row.fault,
        row.outcome,
        proof,
        str(result.count) if ran else "",
        ", ".join(result.seeds),
        result.word if nodes or not row.later else "later",
    )
    return f"| {' | '.join(cells)} |".replace("  ", " ")


_HEAD = "| row | fault | promised | proven by | times | seed | last result |\n|---|---|---|---|---|---|---|"


def table(proofs: Mapping[str, Sequence[str]], results: Mapping[str, Result]) -> str:
    rows = [line(row, proofs.get(row.id, ()), results.get(row.id, Result())) for row in ROWS.values()]
    return "\n".join([_HEAD, *rows])


def shown(page: str) -> dict[str, Result]:
    """The results on a page, by row."""
    found = {}
    for text in page.partition(BEGIN)[2].partition(END)[0].splitlines():
        cells = [cell.strip() for cell in text.strip().strip("|").split("|")]
        if cells[0] in ROWS and cells[6] in {"holds", "broken"}:
            seeds = tuple(filter(None, cells[5].split(", ")))
            found[cells[0]] = Result(word=cells[6], count=int(cells[4]), seeds=seeds)
    return found


def with_table(page: str, text: str) -> str:
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}"


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.table")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", choices=[*ROWS])
    parser.add_argument("--list", action="store_true", help="run nothing, bring the names up to date")
    parser.add_argument("--check", action="store_true", help="run and write nothing; say what is out of step")
    asked = parser.parse_args(words)
    os.chdir(ROOT)
    still = asked.list or asked.check
    collector = Collector(only=frozenset(asked.only))
    how = ["--collect-only", "-p", "no:terminal"] if still else ["-v"]
    status = int(pytest.main([*how, "-n", "0", *_files()], plugins=[collector]))
    page = PAGE.read_text()
    results = shown(page) | collector.results()
    text = table(collector.proofs, results)
    if asked.check:
        found = [*out_of_step(page, text), *unproven(collector.proofs)]
        sys.stdout.write("".join(f"{words}\n" for words in found))
        return status or int(bool(found))
    PAGE.write_text(with_table(page, text))
    sys.stdout.write(f"{text}\n")
    return status


def out_of_step(page: str, text: str) -> list[str]:
    old = page.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    new = text.splitlines()
    missing = [f"{PAGE.name} should say: {words}" for words in new if words not in old]
    return missing + [f"{PAGE.name} should not say: {words}" for words in old if words not in new]


def unproven(proofs: Mapping[str, Sequence[str]]) -> list[str]:
    return [
        f"no test proves {row.id}: {row.fault}"
        for row in ROWS.values()
        if not row.later and row.id not in proofs
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
