"""A model that looks at a change: one question a portion, its answer sifted, and nothing done because of it."""

from collections.abc import Callable
from dataclasses import dataclass

from flowforge.hooks.contracts import ModelAnswer
from flowforge.llm.ports import Asker
from flowforge.llm.service import DEADLINE, ModelService
from flowforge.resolve.answer_shape import Problem
from flowforge.resolve.prompt import Delimiters
from flowforge.resolve.templates import Templates
from flowforge.review.change import Change, Secrets
from flowforge.review.findings import Sifted, sift
from flowforge.review.prompt import build
from flowforge.review.shape import read_rows
from flowforge.review.split import Portion


@dataclass(frozen=True, kw_only=True)
class Reviewer:
    """Asks about the portions of one change, each in a request of its own.

    `shared` is drawn once for the change, so that what all its requests share is cached by the provider. An answer
    that cannot be used is not asked for again: advice is not worth a second bill.
    """

    service: ModelService
    templates: Templates
    model: str
    asker: Asker
    secrets: Secrets
    draw: Callable[[], str]  # a random word of letters and digits, at least 16 long
    shared: str

    def __call__(self, change: Change, portion: Portion, seconds: float) -> Sifted | str:
        """Findings about one portion, or why there is no usable answer, in a few words.

        Raises:
            Temporary, Refused, Broken: as `ModelService.ask`.
        """
        question = build(
            change,
            portion,
            self.templates,
            model=self.model,
            delimiters=Delimiters(shared=self.shared, request=self.draw()),
            secrets=self.secrets,
        )
        if question is None:
            return "the text holds the word that should set it apart"
        answer = self.service.ask(
            question.request,
            self.asker,
            key=question.key,
            version=self.templates.version,
            deadline=min(DEADLINE, seconds),
        )
        return self._sifted(answer, portion)

    def _sifted(self, answer: ModelAnswer, portion: Portion) -> Sifted | str:
        if answer.stop == "refusal":
            return "the model declined to answer"
        if answer.stop != "end":
            return "the model's answer was not whole"
        rows = read_rows(answer.text)
        if isinstance(rows, Problem):
            return f"the model's answer could not be used ({rows.flaw.value})"
        return sift(rows, portion, self.secrets)
