from flowforge.core.verdict import Level
from flowforge.validate.introduced import checked_file
from flowforge.validate.lost import check

Sides = tuple[bytes, bytes, bytes]


def told(text: bytes, base: bytes, upstream: bytes, commit: bytes) -> list[tuple[str, str]]:
    file = checked_file(
        "f", "", text, base=base, upstream=upstream, commit=commit, resolved=((1, max(1, text.count(b"\n"))),)
    )
    found = list(check(file))
    assert all(one.level is Level.WARNING for one in found)
    return [(one.rule, one.message.partition(":")[0]) for one in found]


def test_an_answer_with_both_sides_changes_is_silent() -> None:
    assert told(b"first\nup one\nmid one\n", b"first\n", b"first\nup one\n", b"first\nmid one\n") == []


def test_an_answer_that_takes_one_side_loses_the_others_line() -> None:
    assert told(b"first\nup one\n", b"first\n", b"first\nup one\n", b"first\nmid two\n") == [
        ("lost-line", "the commit added a line that is not here")
    ]


def test_a_line_merged_word_by_word_is_not_lost() -> None:
    assert told(b"f(alpha, beta)\n", b"f(old)\n", b"f(alpha)\n", b"f(old, beta)\n") == []


def test_a_line_laid_out_anew_is_not_lost() -> None:
    assert told(b"    deeper = 1\n", b"deeper = 0\n", b"deeper = 1\n", b"    deeper = 0\n") == []


def test_a_line_that_the_other_side_removed_is_its_own_matter() -> None:
    assert told(b"", b"first line\n", b"first line\n", b"") == []


def test_a_line_that_a_side_removed_and_the_answer_holds_is_back() -> None:
    assert told(b"first line\nsecond\n", b"first line\n", b"", b"first line\nsecond\n") == [
        ("resurrected-line", "upstream removed a line that is here again")
    ]


def test_braces_and_blank_lines_stand_anywhere() -> None:
    assert told(b"}\n\nend\n", b"}\n", b"", b"}\n\nend\n") == []


def test_a_file_without_answers_is_git_s_own_and_not_looked_at() -> None:
    file = checked_file("f", "", b"", base=b"", upstream=b"one line\n", commit=b"")
    assert list(check(file)) == []


def test_no_more_than_twenty_are_told() -> None:
    text = b"".join(b"line number%d\n" % number for number in range(100))
    assert len(told(b"", b"", text, b"")) == 20
