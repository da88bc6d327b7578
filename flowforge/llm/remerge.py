"""A model that looks afresh at what was resolved: one request for a commit, and only doubt has a consequence."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flowforge.llm.ports import Asker
from flowforge.llm.service import ModelService
from flowforge.resolve.remerge import Place, Replayed, Verdict, build, read_verdicts
from flowforge.resolve.templates import Templates


@dataclass(frozen=True, kw_only=True)
class SecondLook:
    """Asks about the places of one commit. An answer that cannot be used is not asked for again."""

    service: ModelService
    templates: Templates
    model: str
    asker: Asker
    secrets: Callable[[str], Sequence[str]]
    draw: Callable[[], str]  # a random word of letters and digits, at least 16 long

    def __call__(
        self, replayed: Replayed, places: Sequence[Place]
    ) -> Mapping[tuple[str, int], Verdict] | str:
        """A verdict on each place by path and hunk, or why there is none, in a few words.

        Raises:
            Temporary, Refused, Broken: as `ModelService.ask`.
        """
        word = self.draw()
        question = build(
            replayed, places, self.templates, model=self.model, delimiter=word, secrets=self.secrets
        )
        if isinstance(question, str):
            return question
        answer = self.service.ask(question.request, self.asker, key=question.key)
        if word in answer.text:
            return "the answer repeats the question"
        return read_verdicts(answer, places)
