"""The scripted model as one who looks at a change: it reads what any model would have to read."""

import itertools
from pathlib import Path

from flowforge.core.verdict import Level
from flowforge.llm.prices import Prices
from flowforge.llm.review import Reviewer
from flowforge.llm.service import ModelService
from flowforge.review.findings import Left, Sifted
from flowforge.review.prompt import FILES, review_templates
from flowforge_plugins.models.scripted import register_model_providers
from flowforge_plugins.models.scripted_answers import connect
from tests.unit.llm.conftest import WHO, House
from tests.unit.review.changes import change, file, portion

PROMPTS = Path(__file__).parents[3] / "config" / "prompts"
TEMPLATES = review_templates({name: (PROMPTS / name).read_text() for name in FILES})
(MODEL,) = register_model_providers()
LINES = ("import os", "x = eval(y)", "os.system(x)", "z = eval(y)", "if x == None:", "    pass")


def reviewed(rule: str = "scripted") -> Sifted | str:
    words = itertools.count()
    ports = House(provider=connect({})).service._ports
    reviewer = Reviewer(
        service=ModelService(MODEL, lambda: connect({}), Prices(date="", source=""), ports),
        templates=TEMPLATES,
        model=rule,
        asker=WHO,
        secrets=lambda _text: (),
        draw=lambda: f"delimiter{next(words):012d}",
        shared="shared" + "0" * 12,
    )
    one = file("src/with (brackets).py", count=len(LINES), introduced=(2, 3, 5), lines=LINES)
    return reviewer(change(one), portion(one), 60.0)


def test_it_knows_a_few_words_in_introduced_lines() -> None:
    found = reviewed()
    assert isinstance(found, Sifted)
    assert [(one.path, one.start, one.level) for one in found.kept] == [
        ("src/with (brackets).py", 2, Level.ERROR),
        ("src/with (brackets).py", 3, Level.WARNING),
        ("src/with (brackets).py", 5, Level.NOTE),
    ]
    assert found.left == {}


def test_its_bad_rules_are_left_out() -> None:
    assert reviewed("bad:approve") == Sifted(left={Left.VERDICT: 3})
    assert reviewed("bad:elsewhere") == Sifted(left={Left.OTHER_PATH: 1, Left.OUTSIDE: 1})
    assert reviewed("bad:garbage") == "the model's answer could not be used (not_json)"
    assert reviewed("bad:nothing") == "the model's answer could not be used (empty)"
