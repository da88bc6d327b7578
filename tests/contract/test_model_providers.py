"""What every model provider must do, whichever service is behind it."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from flowforge.hooks.contracts import Model, ModelProvider
from flowforge.hooks.manager import resolve_load
from flowforge.testing import ModelProviderContract, PluginContract
from flowforge.wiring.cassette import RECORD, REPLAY, Cassette
from flowforge_plugins.models import anthropic, command, openai_chat, scripted
from tests.chatserver import Talk, chat_server, deny
from tests.modelserver import Reply, model_server, refuse

HEAVY = ("anthropic", "httpx2", "pydantic", "kubernetes", "tree_sitter")
READ = "import json, os, sys, time; asked = json.load(sys.stdin)\n"


class TestAnthropicPlugin(PluginContract):
    module = "flowforge_plugins.models.anthropic"
    heavy = HEAVY


class TestOpenaiPlugin(PluginContract):
    module = "flowforge_plugins.models.openai_chat"
    heavy = HEAVY


class TestCommandPlugin(PluginContract):
    module = "flowforge_plugins.models.command"
    heavy = HEAVY


class TestScriptedPlugin(PluginContract):
    module = "flowforge_plugins.models.scripted"
    heavy = HEAVY


def made(model: Model, settings: dict[str, str]) -> ModelProvider:
    factory: Callable[..., ModelProvider] = resolve_load(model.load)  # type: ignore[assignment]
    return factory(settings)


class Served(ModelProviderContract):
    """One whose service is a stand-in on loopback; all end with the test."""

    @pytest.fixture(autouse=True)
    def _stage(self) -> Iterator[None]:
        with ExitStack() as stack:
            self.stack = stack
            yield


class TestAnthropic(Served):
    (model,) = anthropic.register_model_providers()
    secret = "test-" + "key-of-claude"

    def served(self, reply: Reply) -> ModelProvider:
        server = self.stack.enter_context(model_server())
        server.key = self.secret
        server.answer(reply)
        return made(self.model, {"base_url": server.url, self.model.secret: self.secret})

    def answering(self) -> ModelProvider:
        return self.served(Reply(text="{}"))

    def hanging(self) -> ModelProvider:
        return self.served(Reply(how="hang"))

    def breaking(self) -> Iterable[ModelProvider]:
        for how in ("cut", "error_event", "bad_event", "drop", "empty", "garbage", "flood"):
            yield self.served(Reply(text="x" * 400, how=how))

    def refusing(self) -> Iterable[ModelProvider]:
        for status in (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 504, 529):
            yield self.served(refuse(status, message=f"no {self.secret}"))


class TestOpenai(Served):
    (model,) = openai_chat.register_model_providers()
    name = "a-model"
    secret = "test-" + "key-of-a-gateway"

    def served(self, talk: Talk) -> ModelProvider:
        server = self.stack.enter_context(chat_server(key=self.secret))
        server.answer(talk)
        return made(self.model, {"base_url": server.url, self.model.secret: self.secret})

    def answering(self) -> ModelProvider:
        return self.served(Talk(text="{}"))

    def hanging(self) -> ModelProvider:
        return self.served(Talk(how="hang"))

    def breaking(self) -> Iterable[ModelProvider]:
        for how in ("cut", "error_event", "bad_event", "drop", "empty", "garbage", "flood", "no_finish"):
            yield self.served(Talk(text="x" * 400, how=how))

    def refusing(self) -> Iterable[ModelProvider]:
        for status in (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 529):
            yield self.served(deny(status, message=f"no {self.secret}"))


class TestCommand(ModelProviderContract):
    (model,) = command.register_model_providers()
    name = "a-model"

    def ran(self, code: str) -> ModelProvider:
        return made(self.model, {"command": json.dumps([sys.executable, "-c", READ + code])})

    def answering(self) -> ModelProvider:
        return self.ran("print(json.dumps({'text': '{}'}))")

    def hanging(self) -> ModelProvider:
        return self.ran("time.sleep(60)")

    def breaking(self) -> Iterable[ModelProvider]:
        for code in ("print('{')", "print('{}')", "os.kill(os.getpid(), 9)", "print('x' * (5 << 20))"):
            yield self.ran(code)

    def refusing(self) -> Iterable[ModelProvider]:
        for status in (1, 65, 75, 77, 255):
            yield self.ran(f"sys.exit({status})")


class TestScripted(ModelProviderContract):
    (model,) = scripted.register_model_providers()

    def answering(self) -> ModelProvider:
        return made(self.model, {})

    def test_every_report_can_say_that_it_was_a_script(self) -> None:
        assert self.model.scripted
        assert not any(
            other.scripted
            for module in (anthropic, openai_chat, command)
            for other in module.register_model_providers()
        )


class TestRecording(Served):
    """A recording of Claude keeps the contract as Claude does."""

    model = Model(id="recorded", load="flowforge_plugins.models.anthropic_client:connect")
    name = "claude-sonnet-5-5"
    secret = TestAnthropic.secret

    @pytest.fixture(autouse=True)
    def _tape(self, tmp_path: Path) -> None:
        self.file = tmp_path / "answers.jsonl"

    def over(self, reply: Reply) -> ModelProvider:
        server = self.stack.enter_context(model_server())
        server.key = self.secret
        server.answer(reply)
        settings = {"base_url": server.url, "anthropic_api_key": self.secret}
        return Cassette(file=self.file, mode=RECORD, connect=lambda: made(self.model, settings))

    def answering(self) -> ModelProvider:
        return self.over(Reply(text="{}"))

    def hanging(self) -> ModelProvider:
        return self.over(Reply(how="hang"))

    def breaking(self) -> Iterable[ModelProvider]:
        yield self.over(Reply(text="x" * 400, how="cut"))

    def refusing(self) -> Iterable[ModelProvider]:
        yield self.over(refuse(401, message=f"no {self.secret}"))
        self.file.touch()
        yield Cassette(file=self.file, mode=REPLAY, connect=self.answering)
