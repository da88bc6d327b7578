"""What is sent to a model, how much of it a provider's cache serves, and what our own part of a call takes.

`python -m tests.bench.model [--json] [--repo PATH [--limit N] [--seed N]]` asks about the golden conflicts (each in a file of
the usual size, and as it is), or about conflicts of a repository's own merges, made again as rebases. Facts come from
git and from child processes as in a job, and requests go through the service, the Anthropic provider and its SDK to a
server on loopback, which counts tokens (four bytes each) and keeps prefixes of at least 1024 tokens, as most of the real
models do. Figures:

- `of_whole`: tokens sent for a hunk over those of one prompt with the three whole files, both with rules and commit;
- `own_of_whole`: the same of what is the file's own, without the rules and the commit, which are cached;
- `cached`: of the input of a commit's second and later requests, the share that the cache served;
- `own_ms`: median wall time of one file from the conflict to the judged answer, without the provider's `complete`;
  `own_cpu_ms` this process' processor time of it, `facts_ms` the part that gathers facts, `ask_ms` the rest, and
  `provider_ms` (the floor) what the provider took beside it in the same runs.
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from flowforge.core.conflict import Abstain, Conflict
from flowforge.core.spend import Price
from flowforge.git.hiding import secrets_in
from flowforge.hooks.contracts import ModelAnswer, ModelProvider, ModelRequest
from flowforge.llm.context import Context
from flowforge.llm.in_process import LocalBooks
from flowforge.llm.ports import Asker
from flowforge.llm.prices import Prices, Tariff
from flowforge.llm.rung import ModelRung
from flowforge.llm.service import ModelService, Ports
from flowforge.merge.around import Place
from flowforge.resolve.material import of_place
from flowforge.resolve.portions import tokens
from flowforge.resolve.prompt import Delimiters, Facts, build
from flowforge.resolve.templates import FILES, read_templates
from flowforge.sandbox.pool import Pool
from flowforge_plugins.models.anthropic import register_model_providers
from flowforge_plugins.models.anthropic_client import connect
from tests.bench.model_cases import Replayed, golden, of_repository
from tests.golden.rungs import registry
from tests.modelserver import ModelServer, model_server

PROMPTS = Path(__file__).parents[2] / "config" / "prompts"
TEMPLATES = read_templates({name: (PROMPTS / name).read_text() for name in FILES})
MODEL = "claude-sonnet-5-5"
PRICE = Price(input=Decimal(2), output=Decimal(10), cache_write=Decimal("2.5"), cache_read=Decimal("0.2"))
WORDS = Delimiters(shared="0123456789abcdef", request="fedcba9876543210")
RUNS = 7
TIMED = 12  # files whose calls are timed
OF_WHOLE, CACHED, OWN_MS = 0.25, 0.70, 30.0
PRELOAD = ("flowforge.merge.surroundings", "flowforge.merge.habits", "flowforge.merge.defined")


@dataclass(kw_only=True)
class Told:
    """One file as it was asked about."""

    hunks: int
    sent: int  # tokens of all its requests
    own: int  # of these, what is the file's own
    whole: int  # of one prompt with the three whole files
    whole_own: int


@dataclass(kw_only=True)
class Desk:
    """One commit's conflicts, from facts to answers."""

    service: ModelService
    pool: Pool
    watched: "Watched"
    words: "itertools.count[int]" = field(default_factory=itertools.count)

    def context(self, one: Replayed) -> Context:
        return Context(
            git=one.git,
            commit=one.commit,
            upstream=one.upstream,
            merge_base=one.base,
            languages=tuple(registry().languages.values()),
            paths=tuple(conflict.path for conflict in one.conflicts),
            call=self.pool.call,
        )

    def rung(self) -> ModelRung:
        return ModelRung(
            service=self.service,
            templates=TEMPLATES,
            model=MODEL,
            asker=Asker(organization=UUID(int=next(self.words)), job_usd=Decimal(1000), job_calls=100_000),
            secrets=secrets_in,
            draw=lambda: f"word{next(self.words):012d}",
            shared=f"shared{next(self.words):010d}",
            repairs=0,
        )


@dataclass(kw_only=True)
class Watched:
    """A provider, and the seconds that it took."""

    provider: ModelProvider
    took: float = 0.0

    def complete(self, request: ModelRequest, deadline: float) -> ModelAnswer:
        began = time.perf_counter()
        try:
            return self.provider.complete(request, deadline)
        finally:
            self.took += time.perf_counter() - began

    def count_tokens(self, request: ModelRequest) -> int:
        return self.provider.count_tokens(request)


class Open:
    def admit(self, asker: Asker, amount_tokens: int, amount: Decimal) -> None:
        """Admit everybody."""


def told(conflict: Conflict, facts: Facts) -> Told | None:
    """The tokens of a file's questions, and of the one question with whole files; None where none is asked."""
    made = build(conflict, facts, TEMPLATES, model=MODEL, delimiters=WORDS, secrets=secrets_in)
    if isinstance(made, Abstain):
        return None
    requests = [question.request for question in made]
    shared = tokens(requests[0].system) + tokens(requests[0].shared)
    whole = tokens(_whole(conflict, facts))
    return Told(
        hunks=len(conflict.hunks),
        sent=sum(tokens(one.system) + tokens(one.shared) + tokens(one.prompt) for one in requests),
        own=sum(tokens(one.prompt) for one in requests),
        whole=shared + whole,
        whole_own=whole,
    )


def _whole(conflict: Conflict, facts: Facts) -> str:
    """The file's own part with the three whole files, and the hunks to say which places are asked about."""
    hunks = {hunk.index: hunk for hunk in conflict.hunks}
    texts = [(version.content or b"").decode("utf-8", "replace") for version in conflict.versions]
    alone = [of_place(Place(hunks=(n,), parts=(n,)), hunks, WORDS.request) for n in hunks]
    mark = f"--- {WORDS.request} the whole file"
    return TEMPLATES.prompt(
        delimiter=WORDS.request,
        path=conflict.path,
        language=facts.language,
        upstream_commits="(none known)",
        places="\n".join([*alone, *(f"{mark}\n{text}" for text in texts)]),
        definitions="(none known)",
        facts="(none known)",
        ids=", ".join(map(str, hunks)),
    )


def ratios(
    commits: Iterable[Replayed], desk: Desk
) -> tuple[dict[str, float], list[tuple[Replayed, list[tuple[Conflict, Facts]]]]]:
    rows: list[Told] = []
    asked = []
    for one in commits:
        context = desk.context(one)
        known = [(conflict, context.facts(conflict)) for conflict in one.conflicts]
        asked.append((one, known))
        rows += [row for conflict, facts in known if (row := told(conflict, facts)) is not None]
    hunks = sum(row.hunks for row in rows)
    sent, whole = sum(row.sent for row in rows), sum(row.whole for row in rows)
    own, whole_own = sum(row.own for row in rows), sum(row.whole_own for row in rows)
    return {
        "files": len(rows),
        "hunks": hunks,
        "tokens_a_hunk": round(sent / hunks),
        "own_tokens_a_hunk": round(own / hunks),
        "whole_tokens": round(whole / len(rows)),
        "of_whole": round((sent / hunks) / (whole / len(rows)), 3),
        "own_of_whole": round((own / hunks) / (whole_own / len(rows)), 3),
        "of_whole_a_file": round(sent / whole, 3),
    }, asked


def cached(
    asked: Sequence[tuple[Replayed, list[tuple[Conflict, Facts]]]], desk: Desk, server: ModelServer
) -> dict[str, float]:
    """The share over all commits with several requests; first requests are not counted."""
    read = prompt = requests = 0
    for _, known in asked:
        if len(known) < 2:
            continue
        before, rung = len(server.bills), desk.rung()
        for conflict, facts in known:
            rung(conflict, facts)
        later = server.bills[before + 1 :]
        read += sum(bill.cache_read for bill in later)
        prompt += sum(bill.prompt for bill in later)
        requests += len(later)
    return {"cached": round(read / prompt, 3) if prompt else 0.0, "later_requests": requests}


def times(asked: Sequence[tuple[Replayed, list[tuple[Conflict, Facts]]]], desk: Desk) -> dict[str, float]:
    """Interleaved: every run asks about each file once, with nothing kept from the run before."""
    rows: list[tuple[float, float, float, float]] = []
    for _ in range(RUNS):
        for one, _known in asked[:TIMED]:
            context, rung = desk.context(one), desk.rung()
            for conflict in one.conflicts[:1]:
                desk.watched.took = 0.0
                began, cpu = time.perf_counter(), time.process_time()
                facts = context.facts(conflict)
                middle = time.perf_counter()
                rung(conflict, facts)
                end, cpu = time.perf_counter(), time.process_time() - cpu
                rows.append((middle - began, end - middle - desk.watched.took, cpu, desk.watched.took))
    facts_, ask, cpus, provider = ([row[n] * 1000 for row in rows] for n in range(4))
    own = [f + a for f, a in zip(facts_, ask, strict=True)]
    return {
        "own_ms": round(statistics.median(own), 1),
        "own_cpu_ms": round(statistics.median(cpus), 1),
        "facts_ms": round(statistics.median(facts_), 1),
        "ask_ms": round(statistics.median(ask), 1),
        "provider_ms": round(statistics.median(provider), 1),
    }


def measured(
    commits: Iterable[Replayed], desk: Desk, server: ModelServer, *, all_of_it: bool
) -> dict[str, float]:
    found, asked = ratios(commits, desk)
    return {**found, **cached(asked, desk, server), **times(asked, desk)} if all_of_it else found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--repo", type=Path)
    parser.add_argument("--limit", type=int, default=60, help="conflicting files of the repository")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="model-bench-")))
        server = undo.enter_context(model_server())
        desk = _desk(server, undo.enter_context(Pool(2, preload=PRELOAD)))
        figures: dict[str, object]
        if asked.repo:
            commits = undo.enter_context(of_repository(asked.repo, folder, asked.limit, asked.seed))
            checked = measured(commits, desk, server, all_of_it=True)
            figures = dict(checked)
        else:
            usual = undo.enter_context(golden(folder / "usual", usual=True))
            checked = measured(usual, desk, server, all_of_it=True)
            as_is = undo.enter_context(golden(folder / "as_is", usual=False))
            figures = {**checked, "as_it_is": measured(as_is, desk, server, all_of_it=False)}
    bounds = {"of_whole": OF_WHOLE, "cached": CACHED, "own_ms": OWN_MS}
    holds = checked["of_whole"] <= OF_WHOLE and checked["cached"] >= CACHED and checked["own_ms"] <= OWN_MS
    result = {"name": "model", "figures": figures, "bounds": bounds, "holds": holds}
    print(json.dumps(result, indent=None if asked.json else 2))
    return 0 if holds else 1


def _desk(server: ModelServer, pool: Pool) -> Desk:
    settings = {"anthropic_api_key": server.key, "base_url": server.url, "timeout": "30"}
    watched = Watched(provider=connect(settings))
    ports = Ports(
        books=LocalBooks(), limiter=Open(), clock=time.monotonic, sleep=time.sleep, random=lambda: 0.0
    )
    prices = Prices(date="", source="", tariffs={MODEL: Tariff(price=PRICE)})
    service = ModelService(register_model_providers()[0], lambda: watched, prices, ports)
    pool.warm()
    return Desk(service=service, pool=pool, watched=watched)


if __name__ == "__main__":
    raise SystemExit(main())
