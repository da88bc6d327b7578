"""`flowforge demo`: what it prints is what was looked up, and a claim that does not hold is code 3."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from flowforge.cli import demo
from flowforge.cli.app import run_verb
from flowforge.cli.demo import Claim, Say
from flowforge.cli.server import Server

HELD, BROKEN = (
    Claim(text="the sky is up", held=True, found="up"),
    Claim(text="pigs fly", held=False, found="a pig"),
)


@dataclass
class World:
    """A world without stories: only what is claimed of the whole run."""

    claims: Sequence[Claim]
    server: Server = field(default_factory=lambda: Server(url="http://127.0.0.1:9", token="t"))
    stories: Sequence[demo.Story] = ()
    closed: bool = False

    def check(self, story: demo.Story, job: object) -> Sequence[Claim]:
        raise AssertionError(f"{story} has no job {job}")

    def parting(self) -> Sequence[Claim]:
        return self.claims


def starts(world: World) -> Callable[[Say], object]:
    @contextmanager
    def start(say: Say) -> Iterator[World]:
        say("starting nothing")
        try:
            yield world
        finally:
            world.closed = True

    return start


def ran(*claims: Claim) -> tuple[int, World]:
    world = World(claims=claims)
    return run_verb(demo.app, "demo", [], starts(world)), world


def test_when_every_claim_held_the_code_is_0_and_the_next_step_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, world = ran(HELD, HELD)
    out = capsys.readouterr().out
    assert code == 0
    assert out.count("✓ the sky is up") == 2
    assert "(found: up)" not in out
    assert "Every claim held" in out
    assert world.closed


@pytest.mark.parametrize("claims", [(BROKEN,), (BROKEN, HELD), (HELD, BROKEN)])
def test_a_claim_that_is_false_is_said_with_what_was_found_and_the_code_is_3(
    claims: tuple[Claim, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, world = ran(*claims)
    out = capsys.readouterr().out
    assert code == 3
    assert "✗ pigs fly (found: a pig)" in out
    assert "Every claim held" not in out
    assert "A claim did not hold" in out
    assert world.closed


def test_a_world_that_breaks_off_is_an_error_and_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    class Breaks(World):
        def parting(self) -> Sequence[Claim]:
            raise KeyboardInterrupt

    world = Breaks(claims=())
    assert run_verb(demo.app, "demo", [], starts(world)) == 130
    assert world.closed
    assert "Every claim held" not in capsys.readouterr().out
