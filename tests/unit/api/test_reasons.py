from flowforge.api.reasons import read_reasons, shipped_reasons
from flowforge.core.errors import Reason


def test_every_reason_is_explained_and_none_is_invented() -> None:
    assert set(shipped_reasons()) == set(Reason)


def test_every_explanation_is_a_sentence_with_a_next_step() -> None:
    for word, row in shipped_reasons().items():
        assert row.means.endswith("."), word
        assert row.next_action.rstrip("`").endswith((".", "`")), word


def test_rows_are_told_from_the_rest_of_the_page() -> None:
    page = "# T\n\n| reason | what | next |\n|---|---|---|\n| `a_b` | It is. | Go. |\ntext | `x` | y |\n"
    (word,) = read_reasons(page)
    assert word == "a_b"
    assert read_reasons(page)[word].next_action == "Go."
