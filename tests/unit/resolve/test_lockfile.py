"""Whether what a tool wrote may stand: package sets beside both parents, one rule a test."""

import json
from dataclasses import replace

import pytest

from flowforge.core.conflict import Abstain, Candidate, Side, WholeAnswer
from flowforge.resolve.lockfile import KNOWN, NEW, Made, judge

PATH = "package-lock.json"


def lock(**packages: str) -> bytes:
    """A lockfile of npm with one version each; `local` marks a package of the repository."""
    rows = {
        f"node_modules/{name}": {"link": True} if version == "local" else {"version": version}
        for name, version in packages.items()
    }
    return json.dumps({"lockfileVersion": 3, "packages": rows}).encode()


def manifest(*names: str) -> dict[str, bytes]:
    return {"package.json": json.dumps({"dependencies": dict.fromkeys(names, "*")}).encode()}


MADE = Made(
    path=PATH,
    program="npm",
    base=lock(a="1.0.0"),
    upstream=lock(a="1.0.0", b="1.0.0"),
    commit=lock(a="1.0.0", c="1.0.0"),
    result=lock(a="1.0.0", b="1.0.0", c="1.0.0"),
    manifests=manifest("a", "b", "c"),
)


def taken(made: Made) -> WholeAnswer:
    said = judge(made)
    assert isinstance(said, Candidate), said
    assert said.whole is not None
    assert said.answers == ()
    return said.whole


def refused(made: Made) -> Abstain:
    said = judge(made)
    assert isinstance(said, Abstain)
    return said


@pytest.mark.parametrize(
    ("upstream", "commit", "result", "had"),
    [(2, 2, 3, "2"), (1, 2, 3, "1 and 2"), (2, None, 3, "2 and none")],
)
def test_a_file_in_a_form_that_no_side_has_is_another_tools_work(
    upstream: int, commit: int | None, result: int, had: str
) -> None:
    def formed(text: bytes, form: int | None) -> bytes:
        root = {**json.loads(text), "lockfileVersion": form}
        return json.dumps({key: value for key, value in root.items() if value is not None}).encode()

    made = replace(
        MADE,
        upstream=formed(MADE.upstream, upstream),
        commit=formed(MADE.commit, commit),
        result=formed(MADE.result, result),
    )
    said = refused(made)
    assert said.why == "form_changed"
    assert said.sentence == (
        f"what npm wrote for 'package-lock.json' is in form 3, and the sides have {had}: "
        "let commands see the version of npm that the repository uses"
    )
    taken(replace(made, upstream=formed(MADE.upstream, 3)))


def test_both_sides_packages_together_are_the_answer() -> None:
    answer = taken(MADE)
    assert (answer.path, answer.text, answer.version) == (PATH, MADE.result, None)
    assert (answer.rung, answer.rule, answer.confirmed) == ("lockfile", KNOWN, True)
    assert answer.why == (
        "npm wrote it anew from the merged manifest: 3 packages, each as one of the sides has it"
    )


def test_a_package_that_no_side_has_makes_it_a_proposal() -> None:
    answer = taken(replace(MADE, result=lock(a="1.0.0", b="1.0.0", c="1.0.0", deep="9.0.0")))
    assert (answer.rule, answer.confirmed) == (NEW, False)
    assert answer.why.endswith("4 packages, 1 as no side has them (deep 9.0.0)")


def test_a_version_that_no_side_has_makes_it_a_proposal() -> None:
    answer = taken(replace(MADE, result=lock(a="1.0.1", b="1.0.0", c="1.0.0")))
    assert (answer.rule, answer.confirmed) == (NEW, False)
    assert "a 1.0.1" in answer.why


def test_what_the_manifest_names_and_a_side_has_may_not_be_gone() -> None:
    said = refused(replace(MADE, result=lock(a="1.0.0", b="1.0.0")))
    assert said.why == "package_lost"
    assert said.sentence == (
        "what npm wrote for 'package-lock.json' lacks c, which the merged manifest names"
    )


def test_what_both_sides_have_and_the_manifest_names_may_not_be_gone() -> None:
    assert refused(replace(MADE, result=lock(b="1.0.0", c="1.0.0"))).why == "package_lost"


def test_what_the_merged_manifest_names_no_more_may_be_gone() -> None:
    made = replace(
        MADE,
        base=lock(a="1.0.0", old="1.0.0"),
        upstream=lock(a="1.0.0", old="1.0.0", b="1.0.0"),
        commit=lock(a="1.0.0", c="1.0.0"),
    )
    assert taken(made).rule == KNOWN


def test_a_lockfile_without_any_package_is_none() -> None:
    assert refused(replace(MADE, result=lock(), manifests=manifest())).why == "lock_empty"


def test_versions_below_both_sides_are_refused() -> None:
    made = replace(
        MADE,
        upstream=lock(a="1.2.0"),
        commit=lock(a="1.1.0"),
        result=lock(a="1.0.5"),
        manifests=manifest("a"),
    )
    said = refused(made)
    assert said.why == "version_lowered"
    assert "a in a lower version" in said.sentence


def test_a_version_between_the_sides_is_the_manifests_word() -> None:
    """The commit limits what upstream had raised: that is no loss."""
    made = replace(
        MADE,
        upstream=lock(a="2.0.0"),
        commit=lock(a="1.0.0"),
        result=lock(a="1.5.0"),
        manifests=manifest("a"),
    )
    assert refused(replace(made, result=lock(a="1.0.0"))).why == "change_lost"
    limits = replace(made, commit=lock(a="1.4.0"))
    assert taken(limits).rule == NEW


def test_a_new_version_in_the_lockfile_alone_may_not_be_lost() -> None:
    """A commit that only raised what is locked: the tool keeps upstream's, and nothing in a manifest says more."""
    made = replace(
        MADE,
        commit=lock(a="1.3.0"),
        result=lock(a="1.0.0", b="1.0.0"),
        manifests=manifest("a", "b"),
    )
    said = refused(made)
    assert said.why == "change_lost"
    assert said.sentence.endswith("does not have what commit changed in a")


def test_beginning_with_the_commits_lockfile_keeps_what_it_alone_raised() -> None:
    made = replace(
        MADE,
        ground=Side.COMMIT,
        commit=lock(a="1.3.0"),
        result=lock(a="1.3.0", b="1.0.0"),
        manifests=manifest("a", "b"),
    )
    answer = taken(made)
    assert answer.rule == "packages of the sides, from the commit's lockfile"
    assert "from the merged manifest and the commit's lockfile: 2 packages" in answer.why


def test_beginning_with_the_commits_lockfile_upstreams_changes_must_be_there() -> None:
    made = replace(
        MADE,
        ground=Side.COMMIT,
        upstream=lock(a="1.2.0", deep="1.0.0"),
        commit=lock(a="1.0.0", deep="1.5.0"),
        base=lock(a="1.0.0", deep="0.9.0"),
        result=lock(a="1.0.0", deep="1.5.0"),
        manifests=manifest("a"),
    )
    said = refused(made)
    assert (said.why, said.sentence.endswith("what upstream changed in a")) == ("change_lost", True)
    assert taken(replace(made, result=lock(a="1.2.0", deep="1.5.0"))).confirmed


def test_a_lower_version_that_the_commit_chose_may_not_be_lost_either() -> None:
    made = replace(
        MADE,
        base=lock(a="2.0.0"),
        upstream=lock(a="2.0.0", b="1.0.0"),
        commit=lock(a="1.9.0"),
        result=lock(a="2.0.0", b="1.0.0"),
        manifests=manifest("a", "b"),
    )
    assert refused(made).why == "change_lost"


def test_what_the_commit_alone_brought_in_depth_may_not_be_lost() -> None:
    made = replace(MADE, commit=lock(a="1.0.0", c="1.0.0", deep="1.0.0"))
    assert refused(made).why == "change_lost"


def test_what_upstream_took_out_and_the_commit_raised_may_be_gone_where_nothing_names_it() -> None:
    made = replace(
        MADE,
        base=lock(a="1.0.0", deep="1.0.0"),
        commit=lock(a="1.0.0", c="1.0.0", deep="1.1.0"),
    )
    assert taken(made).rule == KNOWN
    assert refused(replace(made, manifests=manifest("a", "b", "c", "deep"))).why == "package_lost"


def test_what_upstream_alone_raised_may_not_be_taken_back() -> None:
    made = replace(
        MADE, upstream=lock(a="1.1.0"), commit=lock(a="1.0.0", c="1.0.0"), result=lock(a="1.0.0", c="1.0.0")
    )
    said = refused(replace(made, manifests=manifest("a", "c")))
    assert (said.why, "what upstream changed in a" in said.sentence) == ("change_lost", True)


def test_where_both_sides_brought_a_package_either_version_will_do() -> None:
    made = replace(
        MADE,
        upstream=lock(a="1.0.0", b="1.0.0", deep="1.5.0"),
        commit=lock(a="1.0.0", c="1.0.0", deep="1.9.0"),
        result=lock(a="1.0.0", b="1.0.0", c="1.0.0", deep="1.5.0"),
    )
    assert taken(made).rule == KNOWN


def test_packages_of_the_repository_have_no_version_to_lose() -> None:
    made = replace(
        MADE,
        base=lock(a="1.0.0", mine="local"),
        upstream=lock(a="1.0.0", mine="local", b="1.0.0"),
        commit=lock(a="1.0.0", mine="3.0.0", c="1.0.0"),
        result=lock(a="1.0.0", mine="local", b="1.0.0", c="1.0.0"),
    )
    assert taken(made).confirmed


def test_a_file_that_both_sides_added_has_no_base() -> None:
    assert taken(replace(MADE, base=None)).rule == KNOWN


def test_a_manifest_that_the_tool_changes_too_makes_it_a_proposal() -> None:
    answer = taken(replace(MADE, touched=("package.json",)))
    assert not answer.confirmed
    assert answer.why.endswith("it would change package.json too, which was not taken")


def test_without_a_manifest_nothing_is_sure() -> None:
    assert not taken(replace(MADE, manifests={})).confirmed


def test_the_mode_is_kept() -> None:
    assert taken(replace(MADE, mode="100755")).mode == "100755"


@pytest.mark.parametrize("side", ["base", "upstream", "commit", "result"])
@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"<<<<<<< a\n"])
def test_a_text_that_is_no_lockfile_is_told_by_its_side(side: str, text: bytes) -> None:
    said = refused(replace(MADE, **{side: text}))
    assert said.why == "lock_unreadable"
    assert said.sentence.startswith("what npm wrote" if side == "result" else f"the version of {side}")


def test_a_manifest_that_cannot_be_read_is_told() -> None:
    said = refused(replace(MADE, manifests={"package.json": b"{"}))
    assert said.why == "manifest_unreadable"


def test_a_broken_file_below_that_is_called_like_a_manifest_is_none() -> None:
    made = replace(MADE, manifests={**MADE.manifests, "tests/broken/package.json": b"{"})
    assert taken(made).rule == KNOWN


def test_what_a_member_names_counts_too() -> None:
    made = replace(
        MADE, manifests={**manifest("a", "b"), "pkgs/c/package.json": manifest("c")["package.json"]}
    )
    assert refused(replace(made, result=lock(a="1.0.0", b="1.0.0"))).why == "package_lost"


def test_names_that_somebody_made_up_do_not_reach_a_terminal_as_they_are() -> None:
    name = "\x1b[31mred\u202e" + "x" * 500
    said = refused(replace(MADE, commit=lock(**{"a": "1.0.0", name: "1.0.0"})))
    assert "\x1b" not in said.sentence
    assert "\u202e" not in said.sentence
    assert len(said.sentence) < 300


def test_many_names_are_counted() -> None:
    many = {f"p{number}": "1.0.0" for number in range(9)}
    said = refused(replace(MADE, commit=lock(**many)))
    assert "p0, p1, p2 and 6 more" in said.sentence
