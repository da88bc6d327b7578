"""The model as a rung of the ladder: question, answer, check, one repair round, and then a person."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowforge.core.conflict import Abstain, Candidate, Conflict
from flowforge.hooks.contracts import ModelAnswer
from flowforge.llm.ports import Asker
from flowforge.llm.service import ModelService
from flowforge.resolve.answer import judge
from flowforge.resolve.answer_shape import Problem
from flowforge.resolve.prompt import Delimiters, Facts, Question, build, repair
from flowforge.resolve.templates import Templates


@dataclass(frozen=True, kw_only=True)
class ModelRung:
    """Asks about the conflicts of one commit, each in a request of its own.

    `shared` is drawn once for the commit, so that the part all its requests share is cached by the provider.
    """

    service: ModelService
    templates: Templates
    model: str
    asker: Asker
    secrets: Callable[[str], Sequence[str]]
    draw: Callable[[], str]  # a random word of letters and digits, at least 16 long
    shared: str
    repairs: int = 1

    def __call__(self, conflict: Conflict, facts: Facts) -> Candidate | Abstain:
        """Answer the open hunks of one file; every answer is a proposal.

        Raises:
            Temporary, Refused, Broken: as `ModelService.ask`.
        """
        questions = build(
            conflict,
            facts,
            self.templates,
            model=self.model,
            delimiters=Delimiters(shared=self.shared, request=self.draw()),
            secrets=self.secrets,
        )
        if isinstance(questions, Abstain):
            return questions
        said = [self._answered(conflict, question) for question in questions]
        answers = tuple(answer for one in said if isinstance(one, Candidate) for answer in one.answers)
        if answers:
            return Candidate(answers=answers)
        return next(one for one in said if isinstance(one, Abstain))

    def _answered(self, conflict: Conflict, question: Question) -> Candidate | Abstain:
        answer = self._ask(question)
        judged = judge(conflict, answer, question.hunks)
        for _ in range(self.repairs):
            if not isinstance(judged, Problem) or not answer.text:
                break
            again = repair(
                question, self.templates, answer=answer.text, problem=judged, delimiter=self.draw()
            )
            answer = self._ask(again)
            judged = judge(conflict, answer, question.hunks)
        if isinstance(judged, Problem):
            sentence = f"the model's answer was not accepted: {judged.sentence}"
            return Abstain(why=judged.flaw.value, sentence=sentence)
        return judged

    def _ask(self, question: Question) -> ModelAnswer:
        return self.service.ask(question.request, self.asker, key=question.key)
