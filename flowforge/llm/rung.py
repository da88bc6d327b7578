"""The model as a rung of the ladder: question, answer, check, corrections, and then a person."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from flowforge.core.account import Account
from flowforge.core.conflict import Abstain, Candidate, Conflict
from flowforge.git.hiding import Hidden
from flowforge.hooks.contracts import ModelAnswer
from flowforge.llm.agreement import agreed
from flowforge.llm.ports import Asker
from flowforge.llm.service import ModelService
from flowforge.resolve.answer import Look, judge, sees_nothing
from flowforge.resolve.answer_brings import Asked, runs_of
from flowforge.resolve.answer_shape import Problem
from flowforge.resolve.prompt import CONTEXT, Delimiters, Facts, Question, build, repair
from flowforge.resolve.templates import Templates


@dataclass(frozen=True, kw_only=True)
class ModelRung:
    """Asks about the conflicts of one commit, each in a request of its own.

    `shared` is drawn once for the commit, so that the part all its requests share is cached by the provider. `look`
    judges the file that an answer makes; what it finds is told to the model like any other flaw.
    """

    service: ModelService
    templates: Templates
    model: str
    asker: Asker
    secrets: Callable[[str], Sequence[Hidden]]
    draw: Callable[[], str]  # a random word of letters and digits, at least 16 long
    shared: str
    repairs: int = 1  # of one answer
    candidates: int = 1  # answers to one question, each asked for on its own
    look: Look = sees_nothing
    thinking: int = 0  # tokens that the model may think with before it answers
    context: int = CONTEXT  # tokens of one request, at most

    def __call__(self, conflict: Conflict, facts: Facts) -> Candidate | Abstain:
        """Answer the open hunks of one file; every answer is a proposal.

        Raises:
            Temporary, Refused, Broken: as `ModelService.ask`.
        """
        word = self.draw()
        questions = build(
            conflict,
            facts,
            self.templates,
            model=self.model,
            delimiters=Delimiters(shared=self.shared, request=word),
            secrets=self.secrets,
            context=self.context,
        )
        if isinstance(questions, Abstain):
            return questions
        asked = Asked(delimiters=(self.shared, word), rules=self._rules)
        return self._together(conflict, [self._told(conflict, one, asked) for one in questions])

    @cached_property
    def _rules(self) -> frozenset[tuple[str, ...]]:
        return runs_of(text.template for text in self.templates.texts.values())

    def _together(self, conflict: Conflict, said: Sequence[Candidate | Abstain]) -> Candidate | Abstain:
        """What the questions about one file came to; answers that do not fit each other are none."""
        if len(said) == 1:
            return said[0]
        answers = tuple(answer for one in said if isinstance(one, Candidate) for answer in one.answers)
        unsaid = tuple(one for one in said if isinstance(one, Abstain))
        if not answers:
            return unsaid[0]
        left = tuple(gap for one in said if isinstance(one, Candidate) for gap in one.left)
        whole = Candidate(answers=answers, left=(*left, *unsaid))
        problem = self.look(conflict, whole)
        return whole if problem is None else _given_up(problem, answers[0].account)

    def _told(self, conflict: Conflict, question: Question, asked: Asked) -> Candidate | Abstain:
        if self.candidates == 1:
            return self._answered(conflict, question, asked)
        given = [
            self._answered(conflict, _once_more(question, number), asked) for number in range(self.candidates)
        ]
        return agreed(given, question.hunks)

    def _answered(self, conflict: Conflict, question: Question, asked: Asked) -> Candidate | Abstain:
        """One answer, corrected as often as is allowed."""
        account = Account(
            model=self.model,
            prompt_version=question.prompt_version,
            prompt_hash=question.key,
            redacted=question.redacted,
        )
        answer = self._ask(question)
        judged = self._judged(conflict, answer, question, asked)
        for _ in range(self.repairs):
            if not isinstance(judged, Problem) or not answer.text:
                break
            account = replace(account, findings=(*account.findings, judged.sentence))
            word = self.draw()
            asked = replace(asked, delimiters=(*asked.delimiters, word))
            answer = self._ask(
                repair(question, self.templates, answer=answer.text, problem=judged, delimiter=word)
            )
            judged = self._judged(conflict, answer, question, asked)
        return _with_account(judged, account)

    def _judged(
        self, conflict: Conflict, answer: ModelAnswer, question: Question, asked: Asked
    ) -> Candidate | Abstain | Problem:
        judged = judge(conflict, answer, question.hunks, asked)
        problem = self.look(conflict, judged) if isinstance(judged, Candidate) else None
        return problem or judged

    def _ask(self, question: Question) -> ModelAnswer:
        request = replace(question.request, thinking=self.thinking)
        return self.service.ask(request, self.asker, key=question.key, version=question.prompt_version)


def _once_more(question: Question, number: int) -> Question:
    """The same question under a key of its own, so that it is answered anew and not from store."""
    if number == 0:
        return question
    key = hashlib.sha256(f"{question.key}\ncandidate {number}".encode()).hexdigest()
    return replace(question, key=key)


def _with_account(judged: Candidate | Abstain | Problem, account: Account) -> Candidate | Abstain:
    if isinstance(judged, Problem):
        return _given_up(judged, account)
    if isinstance(judged, Abstain):
        return replace(judged, account=account)
    answers = tuple(
        replace(
            answer,
            account=replace(
                answer.account,
                model=account.model,
                prompt_version=account.prompt_version,
                prompt_hash=account.prompt_hash,
                redacted=account.redacted,
                findings=account.findings,
            ),
        )
        for answer in judged.answers
    )
    return replace(judged, answers=answers)


def _given_up(problem: Problem, account: Account) -> Abstain:
    findings = tuple(dict.fromkeys((*account.findings, problem.sentence)))
    return Abstain(
        why=problem.flaw.value,
        sentence=f"the model's answer was not accepted: {problem.sentence}",
        account=Account(
            model=account.model,
            prompt_version=account.prompt_version,
            prompt_hash=account.prompt_hash,
            redacted=account.redacted,
            findings=findings,
        ),
    )
