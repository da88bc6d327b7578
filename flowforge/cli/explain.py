"""`flowforge explain`: what a problem's code or a reason means, and what to do about it."""

from typing import Annotated

import typer

from flowforge.api.reasons import Explained, shipped_reasons
from flowforge.cli.app import AsJson, single
from flowforge.cli.output import data, data_json
from flowforge.core.errors import Reason, Refused
from flowforge.pipeline.problems import CODES, Explanation, suggest


def explain(
    word: Annotated[str, typer.Argument(help="A code such as FF012, or a reason such as tests_failed.")],
    *,
    json: AsJson = False,
) -> None:
    """Explain a problem's code or a reason."""
    code, reasons = CODES.get(word.upper()), shipped_reasons()
    if code is not None:
        data_json(vars(code)) if json else data(of_code(code))
    elif word in reasons:
        found = reasons[word]
        data_json({"reason": word, **vars(found)}) if json else data(of_reason(word, found))
    else:
        raise _unknown(word, [*CODES, *reasons])


def of_code(code: Explanation) -> str:
    return "\n".join(
        [
            f"{code.code}: {code.title}",
            "",
            code.text,
            "",
            "Refused:",
            _indented(code.example),
            "",
            "Better:",
            _indented(code.better),
        ]
    )


def of_reason(word: str, reason: Explained) -> str:
    return f"{word}\n\n{reason.means}\n\nNext: {reason.next_action}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _unknown(word: str, known: list[str]) -> Refused:
    meant = suggest(word, known)
    more = f"; did you mean {meant!r}?" if meant else ""
    return Refused(
        Reason.NOT_FOUND,
        f"there is no code or reason {word[:60]!r}{more}",
        next_action="flowforge help problems and flowforge help reasons list them all",
    )


app = single(explain)
