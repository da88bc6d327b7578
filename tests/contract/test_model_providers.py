"""What every model provider must do, whichever service is behind it."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from subprocess import run
from sys import executable

import pytest

from flowforge.core.errors import FlowForgeError
from flowforge.hooks.contracts import ModelAnswer, ModelProvider, ModelRequest
from flowforge.hooks.manager import resolve_load
from flowforge_plugins.models import anthropic, scripted
from tests.modelserver import Reply, model_server

MODULES = {"anthropic": anthropic, "scripted": scripted}
STOPS = {"end", "max_tokens", "refusal", "other", "cut"}
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
REQUEST = ModelRequest(model="", system="the rules", prompt="Path: a.py\nwhat now?", schema=SCHEMA)


@pytest.fixture(params=MODULES)
def provider(request: pytest.FixtureRequest) -> Iterator[tuple[ModelProvider, ModelRequest]]:
    (model,) = MODULES[request.param].register_model_providers()
    with model_server() as server:
        server.answer(Reply(text="{}"))
        factory: Callable[..., ModelProvider] = resolve_load(model.load)  # type: ignore[assignment]
        made = factory({"base_url": server.url, model.secret: server.key})
        yield made, replace(REQUEST, model=model.default_model)


Made = tuple[ModelProvider, ModelRequest]


def test_an_answer_is_one_by_the_contract(provider: Made) -> None:
    made, request = provider
    answer = made.complete(request, 5.0)
    assert isinstance(answer, ModelAnswer)
    assert answer.stop in STOPS
    assert isinstance(answer.text, str)
    assert (
        min(answer.usage.input, answer.usage.output, answer.usage.cache_read, answer.usage.cache_write) >= 0
    )


@pytest.mark.parametrize("prompt", ["", "x", "é" * 500, "\U0001f600" * 200, "\x00\x1b" * 50, " " * 5000])
def test_the_count_is_never_below_the_bill(provider: Made, prompt: str) -> None:
    made, request = provider
    asked = replace(request, prompt=f"Path: a\n{prompt}")
    usage = made.complete(asked, 5.0).usage
    assert made.count_tokens(asked) >= usage.input + usage.cache_read + usage.cache_write


def test_counting_needs_no_request_object_of_its_own(provider: Made) -> None:
    made, request = provider
    assert made.count_tokens(request) == made.count_tokens(replace(request))


def test_a_deadline_that_is_over_ends_at_once(provider: Made) -> None:
    made, request = provider
    started = time.monotonic()
    with contextlib.suppress(FlowForgeError):  # the house's own errors only; an answer is as good
        assert made.complete(request, 0.0).stop in STOPS
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("name", MODULES)
def test_a_descriptor_is_cheap_and_complete(name: str) -> None:
    (model,) = MODULES[name].register_model_providers()
    assert model.id == name
    assert model.default_model
    assert model.load.count(":") == 1
    assert model.scripted == (name == "scripted")


@pytest.mark.parametrize("name", MODULES)
def test_registering_imports_no_client(name: str) -> None:
    code = (
        "import sys; import flowforge.plugin; before = set(sys.modules);"
        f"import flowforge_plugins.models.{name}; new = set(sys.modules) - before;"
        "print(sorted(m for m in new if not m.startswith('flowforge')))"
    )
    done = run([executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
