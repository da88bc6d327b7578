"""Lockfiles merged as text: what the merge broke is told, what a side had already is not."""

import json
from collections.abc import Callable

import pytest

from flowforge.core.verdict import Finding, Level
from flowforge.hooks.contracts import CheckedFile, Neighbour
from flowforge.resolve.locktools import TOOLS
from flowforge.validate.introduced import checked_file
from flowforge.validate.locked import check, manifests_beside
from tests.unit.validate.locktexts import cargo, digest, gems, go_sum, npm, pnpm, poetry, uv, yarn

Text = Callable[..., str]


def merged(
    path: str, upstream: str, commit: str, result: str, *related: Neighbour, resolved: bool = False
) -> tuple[Finding, ...]:
    file = checked_file(
        path, "", result.encode(), base=b"", upstream=upstream.encode(), commit=commit.encode()
    )
    whole = ((1, result.count("\n")),) if resolved else ()
    return tuple(check(CheckedFile(**{**vars(file), "related": related, "resolved": whole})))


def manifest(path: str, upstream: str, commit: str, result: str) -> Neighbour:
    return Neighbour(
        path=path, base=b"", upstream=upstream.encode(), commit=commit.encode(), text=result.encode()
    )


def rules(findings: tuple[Finding, ...]) -> list[tuple[str, Level]]:
    return [(finding.rule, finding.level) for finding in findings]


# Each: a format, and its text for packages by name: (version, what it needs).
FORMATS = [
    ("Cargo.lock", cargo),
    ("uv.lock", uv),
    ("poetry.lock", poetry),
    ("package-lock.json", npm),
    ("pnpm-lock.yaml", pnpm),
    ("yarn.lock", yarn),
    ("Gemfile.lock", gems),
]
ALL = pytest.mark.parametrize(("path", "text"), FORMATS)


@ALL
def test_what_both_sides_added_is_right(path: str, text: Text) -> None:
    one, two = text(a="1.0", b="1.0"), text(a="1.0", c="1.0 a")
    assert merged(path, one, two, text(a="1.0", b="1.0", c="1.0 a")) == ()


@ALL
def test_a_package_that_one_side_removed_and_the_other_began_to_need_is_missing(
    path: str, text: Text
) -> None:
    """The commonest break: nothing conflicts, since the new package found what it needs locked already."""
    upstream, commit = text(a="1.0"), text(a="1.0", b="1.0", new="2.0 b")
    (found,) = merged(path, upstream, commit, text(a="1.0", new="2.0 b"))
    assert (found.rule, found.level) == ("missing-package", Level.ERROR)
    assert found.message.startswith("new 2.0 needs b")
    assert "with the commit it is right; write it anew with " in found.message
    assert "new" in text(a="1.0", new="2.0 b").splitlines()[found.start - 1]


@ALL
def test_a_need_that_a_side_did_not_fulfil_either_is_none_of_the_merges(path: str, text: Text) -> None:
    assert merged(path, text(a="1.0"), text(a="1.0", new="2.0 b"), text(a="1.0", new="2.0 b")) == ()


@pytest.mark.parametrize(("path", "text"), [row for row in FORMATS if row[0] != "package-lock.json"])
def test_an_entry_that_both_sides_brought_to_different_places_stands_twice(path: str, text: Text) -> None:
    one, two = text(a="1.0", b="1.0"), text(b="1.0", c="1.0")
    twice = text(**{"a": "1.0", "b": "1.0", "b ": "1.0", "c": "1.0"})
    assert ("double-package", Level.ERROR) in rules(merged(path, one, two, twice))


@pytest.mark.parametrize(("path", "text"), [row for row in FORMATS if row[0] != "Gemfile.lock"])
def test_a_version_of_one_side_with_the_hash_of_the_other_is_a_mix(path: str, text: Text) -> None:
    one, two = text(a="1.0", b="2.0"), text(a="1.0", b="3.0")
    mixed = one.replace(digest("b", "2.0"), digest("b", "3.0"))
    assert mixed != one
    assert ("wrong-hash", Level.ERROR) in rules(merged(path, one, two, mixed))


@ALL
def test_a_version_that_no_side_has_is_told_and_does_not_fail(path: str, text: Text) -> None:
    """A tool may have brought it in an earlier commit of the branch."""
    one, two = text(a="1.0"), text(a="1.0", b="1.0")
    found = merged(path, one, two, text(a="1.5", b="1.0"))
    assert ("foreign-package", Level.WARNING) in rules(found)
    assert all(finding.level is Level.WARNING for finding in found)


@ALL
def test_a_package_that_both_have_and_nothing_needs_is_a_warning(path: str, text: Text) -> None:
    one, two = text(a="1.0", b="1.0", c="1.0"), text(a="1.0", b="1.0", d="1.0")
    assert rules(merged(path, one, two, text(b="1.0", c="1.0", d="1.0"))) == [("lost-package", Level.WARNING)]


@ALL
def test_what_does_not_parse_after_the_merge_is_said(path: str, text: Text) -> None:
    broken = "<<<<<<< a\n" + text(a="1.0")
    (found,) = merged(path, text(a="1.0"), text(a="1.0", b="1.0"), broken)
    assert (found.rule, found.level) == ("broken-lock", Level.ERROR)
    assert merged(path, broken, text(a="1.0"), text(b="1.0")) == ()


@ALL
def test_what_a_tool_wrote_as_a_whole_is_not_looked_at(path: str, text: Text) -> None:
    assert merged(path, text(a="1.0"), text(a="1.0", b="1.0"), text(z="9.0"), resolved=True) == ()


# ------------------------------------------------------------------------------------- what is special somewhere


def test_a_crate_that_is_there_in_several_versions_cannot_be_needed_by_its_name_alone() -> None:
    upstream = cargo(x="1.0", user="1.0 x")
    commit = cargo(x="2.0", new="1.0 x")
    result = cargo(**{"x": "1.0", "x ": "2.0", "user": "1.0 x", "new": "1.0 x"})
    found = merged("Cargo.lock", upstream, commit, result)
    assert rules(found) == [("missing-package", Level.ERROR)]
    assert "of which several are here" in found[0].message


def test_two_versions_of_one_gem_are_one_too_many() -> None:
    found = merged(
        "Gemfile.lock", gems(a="1.0"), gems(a="2.0", b="1.0"), gems(**{"a": "1.0", "a ": "2.0", "b": "1.0"})
    )
    assert ("double-package", Level.ERROR) in rules(found)
    assert "is here in versions 1.0, 2.0, on each side in one" in found[0].message


def test_two_versions_of_a_node_package_are_usual() -> None:
    one, two = yarn(a="1.0"), yarn(a="2.0", b="1.0")
    both = yarn(a="1.0") + yarn(a="2.0", b="1.0").partition("\n")[2].replace("a@^1", "a@^2")
    assert all(level is not Level.ERROR for _, level in rules(merged("yarn.lock", one, two, both)))


def test_a_module_of_which_only_the_go_mod_is_summed_is_there() -> None:
    """As it is where nothing imports it: the tool reads its requirements, and none of its files."""
    head = "module example.org/app\n\nrequire example.org/a v1.0.0\n"
    named = manifest("go.mod", head, head + "\n", head + "\n\n")
    one, two = go_sum(a="v1.0.0", b="v1"), go_sum(a="v1.0.0", c="v1")
    bare = go_sum(b="v1", c="v1") + "example.org/a v1.0.0/go.mod h1:m=\n"
    assert rules(merged("go.sum", one, two, bare, named)) == [("lost-package", Level.WARNING)]
    assert rules(merged("go.sum", one, two, go_sum(b="v1", c="v1"), named)) == [
        ("missing-package", Level.ERROR)
    ]


def test_a_module_with_a_sum_of_each_side_was_published_twice() -> None:
    one, two = go_sum(a="v1.0.0"), go_sum(a="v1.0.0", b="v1").replace("h1:a", "h1:other")
    found = merged("go.sum", one, two, one + two)
    assert ("wrong-hash", Level.ERROR) in rules(found)
    assert "two hashes, each of one side" in found[0].message


COMPILED = "# This file is autogenerated by pip-compile with Python 3.11\n"


def test_a_compiled_list_is_compared_and_any_other_list_is_not() -> None:
    one, two = COMPILED + "a==1.0\nb==1.0\n", COMPILED + "a==1.0\nc==1.0\n"
    result = COMPILED + "b==1.0\nc==1.0\n"
    assert rules(merged("requirements.txt", one, two, result)) == [("lost-package", Level.WARNING)]
    plain = (text.removeprefix(COMPILED) for text in (one, two, result))
    assert merged("requirements.txt", *plain) == ()


def test_a_compiled_list_may_have_a_package_once_for_each_python() -> None:
    one = COMPILED + 'a==1.0 ; python_version < "3.9"\na==2.0 ; python_version >= "3.9"\n'
    assert merged("requirements.txt", one + "b==1.0\n", one + "c==1.0\n", one + "b==1.0\nc==1.0\n") == ()


def test_what_the_merged_manifest_names_must_be_locked() -> None:
    """The commit began to name what was locked for another's sake, and upstream removed that other."""
    upstream, commit = yarn(a="1.0"), yarn(a="1.0", old="1.0 b", b="1.0")
    named = manifest(
        "package.json",
        '{"dependencies": {"a": "^1"}}',
        '{"dependencies": {"a": "^1", "b": "^1"}}',
        '{"dependencies": {"a": "^1", "b": "^1"}}',
    )
    (found,) = merged("yarn.lock", upstream, commit, yarn(a="1.0"), named)
    assert found.rule == "missing-package"
    assert found.message == (
        "'package.json' names b, which is locked with the commit and not here; "
        "write it anew with yarn (in a pipeline: by the rung `lockfile`), not by hand"
    )
    elsewhere = Neighbour(**{**vars(named), "path": "docs/package.json"})
    assert merged("yarn.lock", upstream, commit, yarn(a="1.0"), elsewhere) == ()


def test_a_manifest_that_a_side_had_not_locked_is_none_of_the_merges() -> None:
    named = manifest("package.json", "{}", '{"dependencies": {"b": "^1"}}', '{"dependencies": {"b": "^1"}}')
    assert merged("yarn.lock", yarn(a="1.0"), yarn(a="1.0", c="1.0"), yarn(a="1.0"), named) == ()


def test_a_lockfile_that_fits_neither_side_s_manifest_any_more_is_stale() -> None:
    def asks(*names: str) -> str:
        return json.dumps({"dependencies": dict.fromkeys(names, "1")})

    named = manifest("package.json", asks("a", "b"), asks("a", "c"), asks("a", "b", "c"))
    one, two = npm(asked=("a", "b"), a="1.0", b="1.0"), npm(asked=("a", "c"), a="1.0", c="1.0")
    result = npm(asked=("a", "b"), a="1.0", b="1.0", c="1.0")
    assert rules(merged("package-lock.json", one, two, result, named)) == [("stale-lock", Level.ERROR)]
    good = npm(asked=("a", "b", "c"), a="1.0", b="1.0", c="1.0")
    assert merged("package-lock.json", one, two, good, named) == ()


def test_one_side_s_lockfile_as_it_is_has_nothing_to_compare() -> None:
    text = cargo(a="1.0", b="1.0 gone")
    assert merged("Cargo.lock", text, cargo(a="1.0"), text) == ()


def test_a_file_that_a_side_does_not_have_is_not_looked_at() -> None:
    file = checked_file("Cargo.lock", "", b"x", base=None, upstream=None, commit=b"x")
    assert tuple(check(file)) == ()


def test_the_findings_of_a_rule_end_somewhere() -> None:
    many = {f"p{number}": "1.0" for number in range(100)}
    twice = {f"{name}{blank}": version for blank in (" ", "") for name, version in many.items()}
    found = merged("uv.lock", uv(a="1.0"), uv(**many), uv(**twice))
    assert rules(found) == [("double-package", Level.ERROR)] * 20


def test_what_may_be_meant_is_one_sentence_for_all_of_it() -> None:
    one, two = uv(a="1.0", b="1.0", c="1.0"), uv(a="1.0", b="1.0", d="1.0")
    found = merged("uv.lock", one, two, uv(x="1.0", y="2.0", z="3.0"))
    assert [finding.message.partition(";")[0] for finding in found] == [
        "neither side has x 1.0 (and 2 more such)",
        "both sides have a 1.0, and it is not here (and 1 more such)",
    ]


def test_a_name_that_somebody_made_up_is_cut_and_printable() -> None:
    bad = "x" * 200 + "\x1b"
    one, two = npm(a="1.0", **{bad: "1.0"}), npm(b="1.0", **{bad: "1.0"})
    (found,) = merged("package-lock.json", one, two, npm(a="1.0", b="1.0"))
    assert len(found.message) < 250
    assert "\x1b" not in found.message


# --------------------------------------------------------------------------------------------- what is read with it


def test_manifests_are_read_with_the_lockfile_beside_them() -> None:
    rows = [
        manifest(path, "", "", text)
        for path, text in [
            ("package.json", "{}"),
            ("yarn.lock", yarn(a="1.0")),
            ("web/package.json", "{}"),
            ("web/package-lock.json", npm(a="1.0")),
            ("go.sum", ""),
            ("req/dev.in", "a"),
            ("req/dev.txt", COMPILED),
            ("req/all.txt", "a"),
        ]
    ]
    found = {path: [one.path for one in others] for path, others in manifests_beside(rows).items()}
    assert found == {
        "yarn.lock": ["package.json"],
        "web/package-lock.json": ["web/package.json"],
        "req/dev.txt": ["req/dev.in"],
    }


def test_the_tools_here_are_those_that_write_lockfiles() -> None:
    """What a finding tells to run is what the rung would run, on the same manifest."""
    for tool in TOOLS:
        for lock in tool.locks:
            if lock != "*.txt":
                row = manifest(tool.manifests[0], "", "", "")
                lockfile = manifest(lock, "", "", tool.head.decode())
                assert manifests_beside([row, lockfile]) == {lock: (row,)}
