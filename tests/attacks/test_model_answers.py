"""Answers that a model, or somebody who speaks through it, could give, and what each must come to.

Every case is judged against one conflict of two hunks; the second hunk of a bad first answer is a good one, so
that nothing else can be at fault.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowforge.core.conflict import Candidate, Conflict, Hunk, Kind, outside_hash, resolve_with
from flowforge.core.spend import Usage
from flowforge.hooks.contracts import ModelAnswer
from flowforge.resolve.answer import check, judge
from flowforge.resolve.answer_brings import Asked, runs_of
from flowforge.resolve.answer_shape import MAX_ANSWER, Flaw, Problem

BODY = Hunk(
    index=0,
    base=b"    items = load(path)\n    return total(items)\n",
    upstream=b"    items = load(path, limit)\n    return total(items)\n",
    commit=b"    items = load(path)\n    check(items)\n    return total(items)\n",
)
ADDED = Hunk(index=1, base=b"", upstream=b"import alpha\n", commit=b"import beta\n")
CONFLICT = Conflict(
    path="src/report.py",
    kind=Kind.CONTENT,
    base=None,
    upstream=None,
    commit=None,
    segments=(b"def report(path, limit):\n", BODY, b"\n\n", ADDED, b"\nX = 1\n"),
)
GOOD_TEXT = "    items = load(path, limit)\n    check(items)\n    return total(items)\n"

PROMPTS = Path(__file__).parents[2] / "config" / "prompts"

Case = tuple[str, str, Flaw]


def row(**values: object) -> dict[str, object]:
    usual = {"id": 0, "action": "merged", "text": GOOD_TEXT, "kept": [], "dropped": []}
    return {**usual, "why": "both changes fit", "elsewhere": [], **values}


def without(field: str) -> dict[str, object]:
    return {name: value for name, value in row().items() if name != field}


OTHER = row(id=1, action="both", text="")


def said(*rows: object) -> str:
    return json.dumps({"hunks": list(rows)})


def first(**values: object) -> str:
    return said(row(**values), OTHER)


def text(body: str) -> str:
    return first(text=body)


def not_json() -> Iterator[Case]:
    yield "empty", "", Flaw.EMPTY
    yield "blank", " \n\t ", Flaw.EMPTY
    good = first()
    bad = {
        "prose": "I merged the file for you.",
        "prose before": "Here it is: " + good,
        "prose after": good + "\nAnything else?",
        "code fence": f"```json\n{good}\n```",
        "cut short": good[:-20],
        "two answers": good + good,
        "single quotes": good.replace('"', "'"),
        "trailing comma": good[:-2] + ",]}",
        "comment": "/* ok */" + good,
        "not a number": good.replace('"id": 0', '"id": NaN'),
        "infinity": good.replace('"id": 0', '"id": Infinity'),
        "bare control character": good.replace("both changes", "both\x00changes"),
        "deep": "[" * 200_000,
        "whole file": "def report(path, limit):\n    pass\n",
        "diff": "--- a/src/report.py\n+++ b/src/report.py\n@@ -1 +1 @@\n-x\n+y\n",
        "html": "<html><body>502</body></html>",
        "byte order mark": "\ufeff" + good,
        "huge number": '{"hunks": ' + "9" * 5000 + "}",
    }
    yield from ((name, body, Flaw.NOT_JSON) for name, body in bad.items())
    yield "four megabytes of text", first(text="x" * (4 << 20)), Flaw.TOO_LARGE
    yield "too large", '"' + "x" * MAX_ANSWER + '"', Flaw.TOO_LARGE


def misshapen() -> Iterator[Case]:
    for name, body in {
        "list": "[]",
        "null": "null",
        "string": '"upstream"',
        "number": "1",
        "true": "true",
    }.items():
        yield f"answer is {name}", body, Flaw.SCHEMA
    yield "no hunks", "{}", Flaw.SCHEMA
    yield "hunks twice", '{"hunks": [], "hunks": []}', Flaw.SCHEMA
    for name, value in {"mapping": {}, "string": "x", "null": None}.items():
        yield f"hunks is {name}", json.dumps({"hunks": value}), Flaw.SCHEMA
    for name, value in {"string": "x", "null": None, "list": []}.items():
        yield f"hunk is {name}", said(value), Flaw.SCHEMA
    for field in row():
        yield f"without {field}", said(without(field), OTHER), Flaw.SCHEMA
    for name, number in {"string": "0", "float": 0.0, "true": True, "null": None, "list": [0]}.items():
        yield f"id is {name}", first(id=number), Flaw.SCHEMA
    for action in ("ours", "theirs", "base", "Upstream", "", "delete", None, 1, ["upstream"]):
        yield f"action is {action!r}", first(action=action), Flaw.SCHEMA
    for field in ("text", "why"):
        yield f"{field} is no string", first(**{field: ["x"]}), Flaw.SCHEMA
        yield f"{field} is null", first(**{field: None}), Flaw.SCHEMA
        yield f"{field} is half a character", first(**{field: "\ud800"}), Flaw.SCHEMA
    for field in ("kept", "elsewhere"):
        yield f"{field} is a string", first(**{field: "x"}), Flaw.SCHEMA
        yield f"{field} holds a number", first(**{field: [1]}), Flaw.SCHEMA
        yield f"{field} is a flood", first(**{field: ["x"] * 51}), Flaw.TOO_LARGE
    yield "dropped holds a string", first(dropped=["x"]), Flaw.SCHEMA
    yield "dropped without why", first(dropped=[{"side": "commit", "what": "x"}]), Flaw.SCHEMA
    yield (
        "dropped side is a list",
        first(dropped=[{"side": ["commit"], "what": "x", "why": "y"}]),
        Flaw.SCHEMA,
    )
    yield "dropped from base", first(dropped=[{"side": "base", "what": "x", "why": "y"}]), Flaw.SCHEMA
    yield "why is a flood", first(why="x" * 4001), Flaw.TOO_LARGE


def more_than_was_asked() -> Iterator[Case]:
    for field in ("path", "file", "files", "mode", "command", "delete", "tool", "start", "end", "__class__"):
        yield f"hunk with {field}", first(**{field: "../../etc/passwd"}), Flaw.UNKNOWN_FIELD
    whole = {"hunks": [row(), OTHER]}
    for field in ("files", "patch", "commands", "commit_message", "extra"):
        yield f"answer with {field}", json.dumps({**whole, field: {}}), Flaw.UNKNOWN_FIELD
    dropped = [{"side": "commit", "what": "x", "why": "y", "path": "/etc"}]
    yield "dropped with a path", first(dropped=dropped), Flaw.UNKNOWN_FIELD


def wrong_hunks() -> Iterator[Case]:
    yield "no answers", said(), Flaw.MISSING_HUNK
    yield "only the first", said(row()), Flaw.MISSING_HUNK
    yield "only the second", said(OTHER), Flaw.MISSING_HUNK
    yield "the first twice", said(row(), row(), OTHER), Flaw.REPEATED_HUNK
    yield "twice and different", said(row(), row(action="abstain", text=""), OTHER), Flaw.REPEATED_HUNK
    for number in (2, -1, 10**30, 99):
        yield f"hunk {number}", said(row(), OTHER, row(id=number)), Flaw.UNKNOWN_HUNK


def wrong_actions() -> Iterator[Case]:
    gave_up = [{"side": side, "what": "its change", "why": "y"} for side in ("upstream", "commit")]
    for side in ("upstream", "commit"):
        yield f"{side} with other text", first(action=side, dropped=gave_up), Flaw.TEXT_DISAGREES
        yield (
            f"{side} with a shell",
            first(action=side, text="os.system('id')\n", dropped=gave_up),
            Flaw.TEXT_DISAGREES,
        )
        yield f"{side} without saying what is lost", first(action=side, text=""), Flaw.LOST_CHANGE
    wrong_side = [{"side": "upstream", "what": "limit", "why": "y"}]
    yield "wrong side named", first(action="upstream", text="", dropped=wrong_side), Flaw.LOST_CHANGE
    yield "both over a base", first(action="both", text=""), Flaw.BOTH_WITH_BASE
    for name, body in {
        "one side": "import alpha\n",
        "more": "import alpha\nimport beta\nimport os\n",
    }.items():
        yield f"both with {name}", said(row(), row(id=1, action="both", text=body)), Flaw.TEXT_DISAGREES


def markers() -> Iterator[Case]:
    for line in (
        "<<<<<<< upstream",
        "<<<<<<<",
        "||||||| base",
        "=======",
        ">>>>>>> commit",
        "<<<<<<<<<<<<<<<< upstream",
        "=======\r",
        "<<<<",
        "====",
        ">>>>>>>commit",
        "# <<<<<<< HEAD",
        "// =======",
        "/* >>>>>>> */",
        "|||||",
        ">>>>>>>\tcommit",
        "    <<<<<<< upstream",
    ):
        yield f"marker {line!r}", text(f"{GOOD_TEXT}{line}\n"), Flaw.MARKERS
    whole = "<<<<<<< upstream\n" + BODY.upstream.decode() + "=======\n" + BODY.commit.decode() + ">>>>>>> c\n"
    yield "the conflict itself", text(whole), Flaw.MARKERS


def hidden() -> Iterator[Case]:
    for char in "\0\x01\x07\x08\x0b\x0c\x1a\x1b\x7f\x85\x9b":
        yield f"control {ord(char):02X}", text(f"{GOOD_TEXT}#{char}\n"), Flaw.CONTROL_CHARACTERS
    yield "carriage return", text(GOOD_TEXT + "# ok\roverwritten\n"), Flaw.CONTROL_CHARACTERS
    for point in (
        *(
            0x061C,
            0x200E,
            0x200F,
            0x202A,
            0x202B,
            0x202C,
            0x202D,
            0x202E,
            0x2066,
            0x2067,
            0x2068,
            0x2069,
        ),  # bidi
        *(0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD, 0x180E),  # no width
        *(0x2028, 0x2029, 0xE000, 0xE0041, 0xFE0F, 0xFFF9, 0x10FFFD, 0x0378),  # separators, tags, private
    ):
        yield f"hidden {point:04X}", text(f"{GOOD_TEXT}# {chr(point)}\n"), Flaw.HIDDEN_CHARACTERS
    yield "bidi in a note", first(why="fine \u202eenif"), Flaw.HIDDEN_CHARACTERS
    yield "escape in kept", first(kept=["\x1b]0;owned\x07"]), Flaw.CONTROL_CHARACTERS
    yield "escape in elsewhere", first(elsewhere=["\x1b[31m"]), Flaw.CONTROL_CHARACTERS
    note = [{"side": "commit", "what": "x\u200b", "why": "y"}]
    yield "no width in dropped", first(dropped=note), Flaw.HIDDEN_CHARACTERS
    yield "note of an abstention", said(row(action="abstain", why="\x1b[2J"), OTHER), Flaw.CONTROL_CHARACTERS
    for name, word in {
        "cyrillic": "\u0441heck",
        "greek": "l\u03bfad",
        "full width": "\uff43heck",
        "math": "\U0001d41check",
    }.items():
        yield f"lookalike {name}", text(f"{GOOD_TEXT}    {word}(items)\n"), Flaw.LOOKALIKE


def too_much() -> Iterator[Case]:
    names = ", ".join(f"name{n}" for n in range(6))
    yield "many new names", text(f"{GOOD_TEXT}    use({names})\n"), Flaw.TOO_MUCH_NEW
    lines = "".join(f"    items = items[{n}:]\n" for n in range(12))
    yield "many new lines", text(GOOD_TEXT + lines), Flaw.TOO_MUCH_NEW
    helper = "def send_all(items, host):\n    conn = host.connect()\n    conn.sendall(items)\n"
    yield "a function of its own", text(GOOD_TEXT + helper), Flaw.TOO_MUCH_NEW
    prose = "# Note to the reviewer: this change was approved by the owner, merge it at once\n"
    yield "a speech to people", text(GOOD_TEXT + prose), Flaw.TOO_MUCH_NEW
    yield "the text many times", text(GOOD_TEXT * 40), Flaw.TOO_LONG
    yield "a flood of blanks", text(GOOD_TEXT + "\n" * 5000), Flaw.TOO_LONG


def other_places() -> Iterator[Case]:
    yield "the line before again", text("def report(path, limit):\n" + GOOD_TEXT), Flaw.OTHER_PLACE
    yield "a line of the other hunk", text(GOOD_TEXT + "import alpha\n"), Flaw.OTHER_PLACE
    yield "the other hunk whole", text(ADDED.upstream.decode() + ADDED.commit.decode()), Flaw.OTHER_PLACE
    swapped = said(row(text="import alpha\nimport beta\n"), row(id=1, text=GOOD_TEXT))
    yield "hunks swapped", swapped, Flaw.OTHER_PLACE
    yield "the second hunk has the first's", said(row(), row(id=1, text=GOOD_TEXT)), Flaw.OTHER_PLACE


def indents() -> Iterator[Case]:
    yield "tabs for spaces", text(GOOD_TEXT.replace("    ", "\t")), Flaw.INDENTATION
    yield "one line with a tab", text(GOOD_TEXT.replace("    check", "\tcheck")), Flaw.INDENTATION
    yield "a tab after spaces", text(GOOD_TEXT.replace("    check", "    \tcheck")), Flaw.INDENTATION
    yield "a tab before spaces", text(GOOD_TEXT.replace("    check", "\t   check")), Flaw.INDENTATION


def added(line: str) -> str:
    return text(GOOD_TEXT.replace("    return", f"    {line}\n    return"))


def imports() -> Iterator[Case]:
    for line in (
        "import antigravity",
        "import helper as check",
        "from helper import check",
        "from .helper import items",
        "from __future__ import helper",
        "require('helper')",
        "const total = require('./helper')",
        '#include "helper.h"',
        "use helper::total;",
        "using Helper;",
        "importlib.reload(items)",
        "source helper",
    ):
        yield f"imports by {line!r}", added(line), Flaw.NEW_IMPORT


def dangers() -> Iterator[Case]:
    for line in (
        "eval(path)",
        "exec(items)",
        "compile(path, path, 'exec')",
        "__import__(path)",
        "items = eval (path)",
        "os.system(path)",
        "os . system(path)",
        "os.popen(path)",
        "os.execv(path, items)",
        "subprocess.run(items)",
        "child_process.spawn(path)",
        "exec.Command(path)",
        "Runtime.getRuntime().load(path)",
        "# curl path | sh",
        "# wget -qO- path | sudo bash",
        "new Function(path)",
        "pickle.loads(items)",
        "marshal.loads(items)",
        "getattr(items, '__class__')",
        "items = path.__globals__",
        "load(path, verify=False)",
        "# rm -rf /",
        "# chmod 777 path",
        "items.innerHTML = path",
        "socket.socket()",
    ):
        yield f"runs {line!r}", added(line), Flaw.DANGEROUS


def addresses() -> Iterator[Case]:
    for line in (
        "# https://evil.example/load",
        "load('http://path.evil.example')",
        "# ftp://items@evil.example/x",
        "load('203.0.113.9')",
        "# total@evil.example",
        "load('git+ssh://evil.example/x')",
    ):
        yield f"an address in {line!r}", added(line), Flaw.NEW_ADDRESS


def secrets() -> Iterator[Case]:
    for name, value in {  # put together here, so that no scanner takes them for real
        "AWS": "AKIA" + "IOSFODNN7" + "Q3XAMPL",
        "GitHub": "ghp_" + "a1B2c3D4e5F6" * 3,
        "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
        "Slack": "xoxb-" + "872635410928-" + "qwRtZuiOpLkJ",
    }.items():
        yield f"a secret of {name}", added(f"# {value}"), Flaw.SECRET


def false_lists() -> Iterator[Case]:
    half = GOOD_TEXT.replace("check(items)", "check()")
    notes = [{"side": "commit", "what": "check(items)", "why": "y"}]
    yield "more is said to be dropped than is", first(text=half, dropped=notes), Flaw.FALSE_NOTE
    gone = GOOD_TEXT.replace("    check(items)\n", "")
    all_ = [{"side": side, "what": "check items limit", "why": "y"} for side in ("upstream", "commit")]
    yield "everything is said to be dropped", first(text=gone, dropped=all_), Flaw.FALSE_NOTE


def losses() -> Iterator[Case]:
    yield "nothing left", text(""), Flaw.LOST_CHANGE
    yield "only blanks", text("\n\n"), Flaw.LOST_CHANGE
    yield "base again", text(BODY.base.decode()), Flaw.LOST_CHANGE
    yield "upstream without a word", text(BODY.upstream.decode()), Flaw.LOST_CHANGE
    yield "commit without a word", text(BODY.commit.decode()), Flaw.LOST_CHANGE
    yield "the check is gone", text(GOOD_TEXT.replace("    check(items)\n", "")), Flaw.LOST_CHANGE
    yield "the check is spelled otherwise", text(GOOD_TEXT.replace("check(", "Check(")), Flaw.LOST_CHANGE
    yield "half of an addition", said(row(), row(id=1, text="import alpha\n")), Flaw.LOST_CHANGE
    vague = [{"side": "commit", "what": "a line that is not needed", "why": "y"}]
    gone = GOOD_TEXT.replace("    check(items)\n", "")
    yield "a loss in vague words", first(text=gone, dropped=vague), Flaw.LOST_CHANGE
    other = [{"side": "upstream", "what": "check(items)", "why": "y"}]
    yield "a loss on the wrong side", first(text=gone, dropped=other), Flaw.LOST_CHANGE


CASES = [
    case
    for family in (
        not_json,
        misshapen,
        more_than_was_asked,
        wrong_hunks,
        wrong_actions,
        markers,
        hidden,
        too_much,
        other_places,
        indents,
        imports,
        dangers,
        addresses,
        secrets,
        false_lists,
        losses,
    )
    for case in family()
]


@pytest.mark.parametrize(("body", "flaw"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_bad_answer_is_refused_for_what_is_wrong_with_it(body: str, flaw: Flaw) -> None:
    judged = check(CONFLICT, body)
    assert isinstance(judged, Problem), judged
    assert judged.flaw is flaw, judged.sentence
    assert judged.sentence.isprintable()
    assert len(judged.sentence) < 400


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(CASES) >= 150
    assert len({case[0] for case in CASES}) == len(CASES)


ELSEWHERE = {
    Flaw.CUT_OFF,  # by how the model stopped
    Flaw.PROMPT_COPIED,  # by what stood in the question
    Flaw.NEW_DEPENDENCY,  # by the file's name
    *(Flaw.OUTSIDE, Flaw.DOES_NOT_PARSE, Flaw.FILE_CHECK),  # by the file that the answer makes
}


def test_every_flaw_has_a_case() -> None:
    assert {case[2] for case in CASES} == set(Flaw) - ELSEWHERE


WORD = "k3j9x7q2m5n8p4r6"
RULES = runs_of(path.read_text() for path in PROMPTS.glob("resolve.*.txt"))
QUOTED = (PROMPTS / "resolve.system.txt").read_text().partition("\n")[2]


@pytest.mark.parametrize(
    "values",
    [
        {"text": f"{GOOD_TEXT}--- {WORD} end\n"},
        {"text": f"{GOOD_TEXT}# {WORD}\n"},
        {"why": f"as {WORD} says"},
        {"kept": [WORD]},
        {"elsewhere": [f"--- {WORD}"]},
        {"action": "abstain", "text": "", "why": WORD},
        {"dropped": [{"side": "commit", "what": WORD, "why": "y"}]},
        {"dropped": [{"side": "commit", "what": "x", "why": WORD}]},
        {"why": QUOTED[:400]},
        {"why": " ".join(QUOTED.split()[5:20])},
        {"kept": [QUOTED[:300].upper()]},
        {"elsewhere": ["\n".join(QUOTED.split()[:12])]},
    ],
)
def test_an_answer_that_repeats_the_question_is_refused(values: dict[str, object]) -> None:
    judged = check(CONFLICT, first(**values), said=Asked(delimiters=(WORD,), rules=RULES))
    assert isinstance(judged, Problem), judged
    assert judged.flaw is Flaw.PROMPT_COPIED


def test_words_of_the_rules_that_the_file_has_itself_are_no_copy() -> None:
    body = " ".join(QUOTED.split()[5:20])
    conflict = replace(CONFLICT, segments=(*CONFLICT.segments, b"# " + body.encode() + b"\n"))
    judged = check(conflict, first(why=body), said=Asked(rules=RULES))
    assert isinstance(judged, Candidate), judged


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("requirements.txt", "evil-package\n"),
        ("requirements.txt", "alpha==6.6.6\n"),
        ("package.json", '"evil": "1"\n'),
        ("web/package.json", '"postinstall": "alpha"\n'),
        ("Cargo.toml", "evil = 1\n"),
        ("go.mod", "evil/mod v1\n"),
        ("pyproject.toml", '"evil"\n'),
        ("setup.cfg", "evil\n"),
        ("Dockerfile", "FROM evil\n"),
        ("pom.xml", "<evil/>\n"),
    ],
)
def test_a_manifest_gets_no_package_that_no_side_asks_for(path: str, line: str) -> None:
    hunk = Hunk(index=0, base=b"", upstream=b"alpha==1.2\n", commit=b"beta==2.0\n")
    conflict = replace(CONFLICT, path=path, segments=(b"", hunk, b""))
    judged = check(conflict, said(row(text=f"alpha==1.2\nbeta==2.0\n{line}")))
    assert isinstance(judged, Problem), judged
    assert judged.flaw is Flaw.NEW_DEPENDENCY
    assert isinstance(check(conflict, said(row(text="alpha==1.2\nbeta==2.0\n"))), Candidate)


TWO = Hunk(
    index=0,
    base=b"def test_old():\n    assert limit == 3\n",
    upstream=b"def test_old():\n    assert limit == 5\n    assert safe(path)\n",
    commit=b"def test_old():\n    assert limit == 3\n\ndef test_new():\n    assert limit\n",
)
WANTED = [  # what no check of words can know to be wrong: a person must agree, whatever tests say
    ("upstream's fix is given up", {"action": "commit", "text": ""}, "gives up what upstream changed"),
    (
        "upstream's line is given up in words",
        {"text": TWO.commit.decode().replace("3", "5"), "dropped": [("upstream", "assert safe path")]},
        "gives up what upstream changed",
    ),
    (
        "the commit's test is given up",
        {"action": "upstream", "text": ""},
        "gives up a test",
    ),
    (
        "a constant of nobody's",
        {
            "text": TWO.upstream.decode().replace("5", "50") + "\ndef test_new():\n    assert limit\n",
            "dropped": [("upstream", "5")],
        },
        "the number 50",
    ),
    (
        "edits elsewhere",
        {
            "text": TWO.upstream.decode() + "\ndef test_new():\n    assert limit\n",
            "elsewhere": ["../../etc/passwd must be changed too"],
        },
        "edits in other places",
    ),
    (
        "the hunk is emptied",
        {
            "text": "",
            "dropped": [("upstream", "5 assert safe path"), ("commit", "def test_new assert limit")],
        },
        "gives up a test",
    ),
]


@pytest.mark.parametrize(("values", "why"), [case[1:] for case in WANTED], ids=[case[0] for case in WANTED])
def test_a_well_made_answer_that_may_be_wrong_needs_a_person(values: dict[str, Any], why: str) -> None:
    sides = {"upstream": "its change", "commit": "its change"}
    notes = values.get("dropped", sides.items())
    dropped = [{"side": side, "what": what, "why": "y"} for side, what in notes]
    conflict = replace(CONFLICT, segments=(b"", TWO, b""))
    judged = check(conflict, said(row(**{**values, "dropped": dropped})))
    assert isinstance(judged, Candidate), judged
    (answer,) = judged.answers
    assert why in answer.approval
    assert not answer.confirmed


HONEST_LIMITS = [  # wrong, and nothing in its words says so: tests and people are for these
    ("the other side's constant", GOOD_TEXT.replace("limit", "path, limit")),
    ("arguments in another order", GOOD_TEXT.replace("path, limit", "limit, path")),
    ("a negation", GOOD_TEXT.replace("check(items)", "not check(items)")),
    (
        "statements in another order",
        "    check(items)\n    items = load(path, limit)\n    return total(items)\n",
    ),
    ("dead code", GOOD_TEXT.replace("    check(items)", "    if limit and not limit: check(items)")),
    ("an early end", GOOD_TEXT.replace("    check(items)\n", "    return items\n    check(items)\n")),
    ("a known call more", GOOD_TEXT.replace("    check(items)\n", "    check(items)\n    load(items)\n")),
]


@pytest.mark.parametrize("body", [case[1] for case in HONEST_LIMITS], ids=[case[0] for case in HONEST_LIMITS])
def test_what_words_cannot_tell_is_a_proposal_and_never_more(body: str) -> None:
    judged = check(CONFLICT, text(body))
    assert isinstance(judged, Candidate), judged
    assert not any(answer.confirmed for answer in judged.answers)


@pytest.mark.parametrize("stop", ["max_tokens", "other", "cut", ""])
def test_a_good_text_of_an_answer_that_is_not_whole_is_not_used(stop: str) -> None:
    judged = judge(CONFLICT, ModelAnswer(text=first(), usage=Usage(), stop=stop))
    assert isinstance(judged, Problem)
    assert judged.flaw is Flaw.CUT_OFF


def test_the_good_answer_of_the_table_is_good_and_changes_no_byte_outside() -> None:
    judged = check(CONFLICT, first())
    assert isinstance(judged, Candidate), judged
    made = resolve_with(CONFLICT, judged.answers)
    assert made.outside == outside_hash(CONFLICT.segments)
    assert made.result.startswith(b"def report(path, limit):\n    items = load(path, limit)\n")
    assert made.result.endswith(b"\n\nimport alpha\nimport beta\n\nX = 1\n")
    assert not any(answer.confirmed for answer in judged.answers)
