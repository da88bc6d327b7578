from flowforge.hooks.contracts import Neighbour
from flowforge.validate.related import related

SUMS = "def total(rows):\n    return sum(rows)\n"


def file(
    path: str, base: str | None, upstream: str | None, commit: str | None, text: str | None
) -> Neighbour:
    texts = [None if one is None else one.encode() for one in (base, upstream, commit, text)]
    return Neighbour(path=path, base=texts[0], upstream=texts[1], commit=texts[2], text=texts[3])


def paths(*files: Neighbour) -> dict[str, list[str]]:
    return {path: [other.path for other in others] for path, others in related(files).items()}


RENAMED = file("sums.py", SUMS, SUMS.replace("total", "sum_all"), SUMS, SUMS.replace("total", "sum_all"))
USER = file("user.py", "x = 1\n", "x = 1\n", "x = 1\nprint(total([]))\n", "x = 1\nprint(total([]))\n")


def test_a_file_whose_new_lines_use_what_the_other_side_renamed_is_read_with_it() -> None:
    assert paths(RENAMED, USER) == {"user.py": ["sums.py"]}


def test_both_directions_are_looked_at() -> None:
    removed = file("sums.py", SUMS, SUMS, "", "")
    user = file("user.py", "", "print(total([]))\n", "", "print(total([]))\n")
    assert paths(removed, user) == {"user.py": ["sums.py"]}


def test_a_use_that_stood_before_is_the_removing_sides_own_matter() -> None:
    user = file("user.py", "print(total([]))\n", *["print(total([]))\nx = 1\n"] * 3)
    assert paths(RENAMED, user) == {}


def test_a_side_that_removes_what_it_uses_itself_breaks_itself() -> None:
    removed = file("sums.py", SUMS, SUMS, "", "")
    assert paths(removed, USER) == {}


def test_a_definition_that_only_moved_within_its_file_is_not_lost() -> None:
    moved = file("sums.py", "x = 1\n" + SUMS, SUMS + "x = 1\n", "x = 1\n" + SUMS, SUMS + "x = 1\n")
    assert paths(moved, USER) == {}


def test_a_definition_whose_line_changed_is_still_there() -> None:
    changed = SUMS.replace("(rows)", "(rows, start)")
    assert paths(file("sums.py", SUMS, changed, SUMS, changed), USER) == {}


def test_files_that_gained_the_name_are_read_too() -> None:
    new = file("more.py", None, SUMS, None, SUMS)
    assert paths(RENAMED, new, USER) == {"user.py": ["sums.py", "more.py"]}


def test_a_file_that_is_gone_is_known_by_its_own_name() -> None:
    gone = file("shop/sums.py", SUMS, None, SUMS, None)
    user = file("user.py", "", "", "import shop.sums\n", "import shop.sums\n")
    assert paths(gone, user) == {"user.py": ["shop/sums.py"]}


def test_a_file_that_the_result_does_not_have_needs_nothing() -> None:
    assert paths(RENAMED, file("user.py", "", None, "total()\n", None)) == {}


def test_definitions_of_many_languages_are_seen() -> None:
    for line in (
        "func total(a int) int {\n",
        "func (s *Sums) total(a int) int {\n",
        "  public static int total(int a) {\n",
        "export const total = 1;\n",
        "total = 1\n",
        "exports.total = 1;\n",
        "export { total } from './x';\n",
        "\ttotal\n",
        "type total struct {\n",
        "class total:\n",
    ):
        lost = file("sums.x", line, "", line, "")
        assert paths(lost, USER) == {"user.py": ["sums.x"]}, line


def test_no_more_than_thirty_files_stand_beside_one() -> None:
    many = [file(f"s{number:02}.py", SUMS, "", SUMS, "") for number in range(50)]
    assert [len(others) for others in paths(*many, USER).values()] == [30]
