"""validate on real results: every changed file is looked at, and what cannot be looked at is said."""

from dataclasses import replace
from hashlib import sha256

import pytest

from flowforge.core.errors import Reason
from flowforge.core.job import Result
from flowforge.pipeline.context import ResolvedPath
from flowforge.pipeline.stages import validate
from tests.gitrepo import Content
from tests.integration.pipeline.scene import Scene, python

MARKERS = "x = 1\n<<<<<<< one\nx = 2\n=======\nx = 3\n>>>>>>> two\n"


def rebased(scene: Scene, main: dict[str, Content | None], *topic: dict[str, Content | None]) -> None:
    scene.branches(main, *topic)
    scene.do("clone")
    assert scene.do("rebase").ok
    assert not scene.work.pending


def test_a_good_result_is_validated_by_its_tree(scene: Scene) -> None:
    rebased(scene, {"b.txt": "1\n2\n4\n"}, {"a.py": python("os", "sys"), "c.txt": "C\n"})
    result = scene.do("validate")
    assert result.ok
    assert "2 files" in result.sentence
    assert scene.work.validated_tree == scene.work.tree == scene.mirror.tree_of(scene.work.head)
    checks = result.outputs["checks"]
    assert isinstance(checks, dict)
    assert checks["pass"] > 1
    assert checks["fail"] == 0


def test_a_branch_that_changes_no_file_is_valid(scene: Scene) -> None:
    rebased(scene, {"c.txt": "C\n"}, {"c.txt": "C\n"})
    result = scene.do("validate")
    assert (result.result, result.sentence) == (Result.SUCCESS, "the branch changes no file")


def test_markers_that_were_committed_are_only_told_and_ours_fail(scene: Scene) -> None:
    """A person's own markers are not FlowForge's to refuse; lines that no side had are."""
    rebased(scene, {"b.txt": "1\n2\n4\n"}, {"note.txt": MARKERS})
    assert scene.do("validate", checks=["markers"]).ok
    tree = scene.work.tree
    scene.work = replace(scene.work, tree=written(scene, "c.txt", MARKERS.encode()))
    result = scene.do("validate", checks=["markers"])
    assert (result.result, result.reason) == (Result.FAILURE, Reason.VALIDATION_FAILED)
    assert result.sentence.startswith("c.txt:2:")
    assert result.evidence == "validation"
    assert scene.work.validated_tree == tree


def test_syntax_that_a_clean_merge_broke_is_found(scene: Scene) -> None:
    """Each side is right by itself; git merges them without a conflict into what no parser takes."""
    rows = [f"    {number}," for number in range(12)]
    base = ["x = [", *rows, "]"]
    main = ["x = (", *rows, ")"]
    topic = ["x = [", *rows[:6], "]", "y = [", *rows[6:], "]"]
    texts = ["\n".join(lines) + "\n" for lines in (base, main, topic)]
    for text in texts:
        compile(text, "m.py", "exec")
    scene.branches({"m.py": texts[1]}, {"m.py": texts[2]}, base={"m.py": texts[0]})
    scene.do("clone")
    assert scene.do("rebase").ok
    with pytest.raises(SyntaxError):
        compile(scene.file("m.py"), "m.py", "exec")
    result = scene.do("validate", checks=["syntax"])
    assert result.reason is Reason.VALIDATION_FAILED
    assert result.sentence.startswith("m.py:")


SUMS = "def total(rows):\n    return sum(rows)\n"
USER = "from sums import total\n\nprint(total([1]))\n"


def test_a_name_that_upstream_renamed_in_another_file_is_missed_where_the_branch_uses_it(
    scene: Scene,
) -> None:
    """Git sees two files that have nothing to do with each other."""
    renamed = SUMS.replace("total", "sum_all")
    scene.branches({"sums.py": renamed}, {"user.py": USER}, base={"sums.py": SUMS})
    scene.do("clone")
    assert scene.do("rebase").ok
    result = scene.do("validate", checks=["semantics"])
    assert result.reason is Reason.VALIDATION_FAILED
    assert result.sentence.startswith("user.py:1: the commit uses 'total' of 'sums.py' here, which upstream")
    assert scene.do("validate", checks=["syntax"]).ok


def test_a_name_that_the_branch_removed_is_missed_where_upstream_began_to_use_it(scene: Scene) -> None:
    """The file that breaks is not one of the branch's own."""
    scene.branches({"user.py": USER}, {"sums.py": SUMS.replace("total", "sum_all")}, base={"sums.py": SUMS})
    scene.do("clone")
    assert scene.do("rebase").ok
    result = scene.do("validate", checks=["semantics"])
    assert result.reason is Reason.VALIDATION_FAILED
    assert result.sentence.startswith("user.py:1: upstream uses 'total' of 'sums.py' here, which the commit")


def test_a_name_that_both_sides_know_where_to_find_is_no_trouble(scene: Scene) -> None:
    moved = {"sums.py": "from more import total\n", "more.py": SUMS}
    scene.branches(dict(moved), {"user.py": USER}, base={"sums.py": SUMS})
    scene.do("clone")
    assert scene.do("rebase").ok
    assert scene.do("validate", checks=["semantics"]).ok


def test_deleted_files_links_and_submodules_are_passed_over(scene: Scene) -> None:
    commit = "1" * 40
    rebased(
        scene,
        {"b.txt": "1\n2\n4\n"},
        {"c.txt": None, "link": ("120000", "a.py"), "sub": ("160000", commit)},
    )
    result = scene.do("validate")
    assert (result.ok, result.sentence) == (True, "the branch changes no file")


def test_a_file_that_became_a_folder_is_checked_below_it(scene: Scene) -> None:
    rebased(scene, {"b.txt": "1\n2\n4\n"}, {"c.txt": None, "c.txt/inner.py": "x = 1\n"})
    result = scene.do("validate", checks=["syntax"])
    assert result.outputs["checks"]["pass"] == 1  # type: ignore[index]  # a mapping by contract


def test_a_file_too_large_to_check_is_told_and_holds_nothing_up(scene: Scene) -> None:
    huge = b"0123456789\n" * 400_000
    rebased(scene, {"b.txt": "1\n2\n4\n"}, {"huge.bin": huge})
    result = scene.do("validate")
    assert result.ok
    (told,) = scene.data("files.validated")
    assert told["outcomes"]["skip"] == 1
    assert result.outputs["checks"]["skip"] == 1  # type: ignore[index]  # a mapping by contract


def test_a_file_too_large_to_check_that_flowforge_wrote_ends_the_stage(scene: Scene) -> None:
    rebased(scene, {"b.txt": "1\n2\n4\n"}, {"huge.bin": b"0123456789\n" * 400_000})
    wrote = ResolvedPath(path="huge.bin", commit="", rungs=(), why=(), outside="", sha256="")
    scene.work = replace(scene.work, resolved=(wrote,))
    result = scene.do("validate")
    assert result.result is Result.ERROR
    assert "'huge.bin'" in result.sentence
    assert "4 MiB" in result.sentence


def test_a_name_in_no_encoding_is_checked_like_any(scene: Scene) -> None:
    name = b"caf\xe9.py".decode("utf-8", "surrogateescape")
    rebased(scene, {"b.txt": "1\n2\n4\n"}, {name: "x = (\n"})
    result = scene.do("validate", checks=["syntax"])
    assert result.ok  # the branch brought its own bad syntax: that is told, and not FlowForge's to refuse
    assert result.outputs["checks"]["pass"] == 1  # type: ignore[index]  # a mapping by contract


def test_ranges_of_an_answer_hold_until_a_later_commit_changes_the_file(scene: Scene) -> None:
    answered = ResolvedPath(
        path="a.py",
        commit="",
        rungs=("structural",),
        why=("w",),
        outside="",
        sha256="of another text",
        ranges=((1, 2),),
    )
    text = b"import os\n"
    right = replace(answered, sha256=sha256(text).hexdigest())
    newer = replace(right, ranges=((3, 4),))
    work = replace(scene.work, resolved=(right,))
    assert validate._ranges(work, "a.py", text) == ((1, 2),)
    assert validate._ranges(replace(work, resolved=(right, newer)), "a.py", text) == ((3, 4),)
    assert validate._ranges(work, "a.py", text + b"x\n") == ()
    assert validate._ranges(work, "b.py", text) == ()
    assert validate._ranges(replace(work, resolved=(answered,)), "a.py", text) == ()


def test_the_bytes_outside_the_hunks_are_proven_by_hash_where_asked(scene: Scene) -> None:
    scene.branches({"a.py": python("os", "re")}, {"a.py": python("os", "sys")})
    scene.with_resolve()
    for stage in ("clone", "rebase"):
        scene.do(stage)
    scene.do("resolve", rungs=["structural"])
    result = scene.do("validate", checks=["outside", "syntax"])
    assert result.ok
    (told,) = scene.data("files.validated")
    assert told["checks"] >= 2


# ------------------------------------------------------------------------------- lockfiles that git merged as text


def crates(*rows: tuple[str, str]) -> str:
    """A lockfile of crates by name, each with the name of what it needs, or none."""
    made = ["version = 4\n"]
    for name, need in rows:
        needs = f'dependencies = [\n "{need}",\n]\n' if need else ""
        made.append(
            f'\n[[package]]\nname = "{name}"\nversion = "1.0.0"\nsource = "registry+https://index.example.org"\n'
            f'checksum = "sum of {name}"\n{needs}'
        )
    return "".join(made)


MANY = tuple((f"m{number}", "") for number in range(5))
LOCKED: dict[str, Content] = {"Cargo.lock": crates(("asks", "shared"), *MANY, ("shared", ""), ("zero", ""))}


def test_a_lockfile_that_lost_what_the_other_side_began_to_need_fails(scene: Scene) -> None:
    """Upstream takes out `asks`, and with it `shared`; the branch adds `next`, which found `shared` locked."""
    main = crates(*MANY, ("zero", ""))
    topic = crates(("asks", "shared"), *MANY, ("shared", ""), ("zero", ""), ("zone", "shared"))
    scene.branches({"Cargo.lock": main}, {"Cargo.lock": topic}, base=LOCKED)
    scene.do("clone")
    assert scene.do("rebase").ok
    assert not scene.work.pending
    result = scene.do("validate")
    assert (result.result, result.reason) == (Result.FAILURE, Reason.VALIDATION_FAILED)
    line = scene.file("Cargo.lock").splitlines().index('name = "zone"') + 1
    assert result.sentence == (
        f"Cargo.lock:{line}: zone 1.0.0 needs shared, which is not here; with the commit it is right; write it anew "
        "with cargo (in a pipeline: by the rung `lockfile`), not by hand [lockfile/missing-package]"
    )


def test_a_lockfile_that_git_merged_into_a_whole_passes(scene: Scene) -> None:
    main = crates(("asks", "shared"), ("b", ""), *MANY, ("shared", ""), ("zero", ""))
    topic = crates(("asks", "shared"), *MANY, ("shared", ""), ("zero", ""), ("zone", "shared"))
    scene.branches({"Cargo.lock": main}, {"Cargo.lock": topic}, base=LOCKED)
    scene.do("clone")
    assert scene.do("rebase").ok
    assert scene.do("validate").ok
    told = scene.data("files.validated")
    assert told


def test_a_lockfile_of_the_target_that_the_merged_manifest_outgrew_fails(scene: Scene) -> None:
    """The branch changes no lockfile: what it began to name was locked, until upstream took it out."""

    def package(*names: str) -> str:
        rows = "".join(f'  "{name}": "1",\n' for name in names)
        return (
            '{"dependencies": {\n' + rows + "".join(f'  "m{n}": "1",\n' for n in range(5)) + '  "z": "1"}}\n'
        )

    def lock(*names: str) -> str:
        rows = (
            f'\n{name}@1:\n  version "1.0.0"\n' for name in (*names, "m0", "m1", "m2", "m3", "m4", "y", "z")
        )
        return "# yarn lockfile v1\n" + "".join(rows)

    base: dict[str, Content] = {"package.json": package("asks"), "yarn.lock": lock("asks", "shared")}
    main: dict[str, Content | None] = {"package.json": package(), "yarn.lock": lock()}
    branch = package("asks").replace('"z": "1"', '"z": "1", "shared": "1"')
    scene.branches(main, {"package.json": branch}, base=base)
    scene.do("clone")
    assert scene.do("rebase").ok
    assert not scene.work.pending
    result = scene.do("validate")
    assert "'package.json' names shared, which is locked with the commit and not here" in result.sentence
    assert result.sentence.startswith("yarn.lock:")


def test_half_a_branch_is_not_validated(scene: Scene) -> None:
    scene.branches({"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    scene.do("clone")
    scene.do("rebase")
    result = scene.do("validate")
    assert result.reason is Reason.UNRESOLVED_CONFLICTS
    assert scene.work.validated_tree == ""


def test_a_check_that_nobody_knows_is_refused_by_name(scene: Scene) -> None:
    rebased(scene, {}, {"c.txt": "C\n"})
    result = scene.do("validate", checks=["spelling", "markers"])
    assert (result.reason, result.sentence) == (
        Reason.PIPELINE_INVALID,
        "no validator answers to 'spelling'",
    )


@pytest.mark.parametrize("after", [0, 1])
def test_a_cancel_while_files_are_checked_ends_the_stage(scene: Scene, after: int) -> None:
    rebased(scene, {}, {f"f{number}.py": "x = 1\n" for number in range(3)})
    asked: list[int] = []
    scene.cancelled = lambda: len(asked) > after or bool(asked.append(1))
    result = scene.do("validate")
    assert (result.result, result.reason) == (Result.CANCELLATION, Reason.CANCELLED)


def written(scene: Scene, path: str, text: bytes) -> str:
    """The tree of the result with one file's text put into it behind everybody's back."""
    git = scene.mirror.git
    with git.objects() as objects:
        entry = objects.entry(scene.work.tree, path.encode())
        assert entry is not None
        blob = objects.write("blob", text)
        return objects.replaced(scene.work.tree, {path.encode(): replace(entry, name=b"", oid=blob)})
