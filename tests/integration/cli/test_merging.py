"""git itself merges, rebases and picks with the driver, in work trees of its own; and three files by hand."""

import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pytest

from flowforge.git.mergefile import ThreeFiles
from flowforge.git.openfile import conflict_of
from flowforge.resolve.memory import Given, Person, keys
from flowforge.store.answer_file import AnswerFile
from flowforge.wiring.remembered import FileMemory
from tests.gitrepo import IDENTITY, git

BASE = 'import os\n\n\ndef f():\n    return 1\n\n\nNAME = "a"\n'
UP = BASE.replace("import os\n", "import os\nimport re\n")
DOWN = BASE.replace("import os\n", "import os\nimport sys\n")
BOTH = BASE.replace("import os\n", "import os\nimport re\nimport sys\n")
LINES = "".join(f"line {n}\n" for n in range(9))
MORE = "".join(f"x{n} = {n}\n" for n in range(30))
DRIVER = f"{sys.executable} -m flowforge.wiring.main merge-driver"
PATHS = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
ENV = {"PATH": os.environ["PATH"], **IDENTITY, "PYTHONPATH": os.pathsep.join(PATHS)}


class Tree:
    """A work tree whose files are all merged by the driver."""

    def __init__(self, folder: Path, driver: str = f"{DRIVER} --all %O %A %B %L %P") -> None:
        self.folder = folder
        folder.mkdir()
        git(folder, "init", "-q", "-b", "main")
        git(folder, "config", "merge.flowforge.driver", driver)
        (folder / ".git" / "info").mkdir(exist_ok=True)
        (folder / ".git" / "info" / "attributes").write_text("* merge=flowforge\n")

    def commit(self, files: dict[str, str | bytes], message: str = "a change") -> None:
        for path, text in files.items():
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text if isinstance(text, bytes) else text.encode())
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-q", "-m", message)

    def branched(
        self,
        base: dict[str, str | bytes],
        main: dict[str, str | bytes],
        topic: dict[str, str | bytes],
    ) -> None:
        self.commit({"k": "k\n", **base})
        git(self.folder, "checkout", "-q", "-b", "topic")
        self.commit(topic)
        git(self.folder, "checkout", "-q", "main")
        self.commit(main)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["git", "-C", str(self.folder), *words], capture_output=True, text=True, check=False, env=ENV
        )

    def read(self, path: str) -> str:
        return (self.folder / path).read_text()

    @property
    def unmerged(self) -> list[str]:
        return self.run("diff", "--name-only", "--diff-filter=U").stdout.split()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


def verb(*words: str, folder: Path, code: str = "") -> "subprocess.CompletedProcess[bytes]":
    start = ["-c", code] if code else ["-m", "flowforge.wiring.main"]
    return subprocess.run(
        [sys.executable, *start, *words], cwd=folder, capture_output=True, check=False, env=ENV, timeout=120
    )


def three(folder: Path, current: str, base: str, other: str) -> Path:
    for name, text in (("current.py", current), ("base.py", base), ("other.py", other)):
        (folder / name).write_text(text)
    return folder / "current.py"


# ----------------------------------------------------------------------------------------------- git's verbs


def test_a_merge_that_git_alone_would_leave_open_goes_through(tree: Tree) -> None:
    tree.branched({"d/a.py": BASE}, {"d/a.py": UP}, {"d/a.py": DOWN})
    done = tree.run("merge", "-q", "--no-edit", "topic")
    assert (done.returncode, tree.unmerged) == (0, [])
    assert tree.read("d/a.py") == BOTH
    assert "flowforge: d/a.py: 1 of 1 conflicts answered" in done.stdout + done.stderr
    assert "the set of both is kept" in done.stdout + done.stderr


@pytest.mark.parametrize("words", [("rebase", "-q", "main"), ("rebase", "--apply", "-q", "main")])
def test_a_rebase_goes_through(tree: Tree, words: Sequence[str]) -> None:
    tree.branched({"a.py": BASE}, {"a.py": UP}, {"a.py": DOWN})
    tree.run("checkout", "-q", "topic")
    done = tree.run(*words)
    assert done.returncode == 0, done.stderr
    assert tree.read("a.py") == BOTH
    assert tree.run("log", "--format=%s").stdout.count("\n") == 3


def test_a_pick_goes_through(tree: Tree) -> None:
    tree.branched({"a.py": BASE}, {"a.py": UP}, {"a.py": DOWN})
    assert tree.run("cherry-pick", "topic").returncode == 0
    assert tree.read("a.py") == BOTH


def test_what_no_rule_is_sure_of_stays_open_as_git_left_it(tree: Tree, tmp_path: Path) -> None:
    sides: list[dict[str, str | bytes]] = [
        {"a.txt": LINES},
        {"a.txt": LINES.replace("line 3", "up")},
        {"a.txt": LINES.replace("line 3", "down")},
    ]
    tree.branched(*sides)
    done = tree.run("merge", "-q", "topic")
    assert (done.returncode, tree.unmerged) == (1, ["a.txt"])
    assert tree.read("a.txt") == LINES.replace(
        "line 3\n", "<<<<<<< upstream\nup\n=======\ndown\n>>>>>>> commit\n"
    )
    plain = Tree(tmp_path / "styled")
    plain.branched(*sides)
    plain.run("config", "merge.conflictStyle", "diff3")
    plain.run("merge", "-q", "topic")
    assert "||||||| base\nline 3\n" in plain.read("a.txt")


def test_of_two_conflicts_the_sure_one_is_answered_and_the_other_marked_with_its_base(tree: Tree) -> None:
    tree.branched(
        {"a.py": BASE},
        {"a.py": UP.replace('"a"', '"up"')},
        {"a.py": DOWN.replace('"a"', '"down"')},
    )
    assert tree.run("merge", "-q", "topic").returncode == 1
    text = tree.read("a.py")
    assert text.startswith("import os\nimport re\nimport sys\n\n")
    assert text.endswith(
        '<<<<<<< upstream\nNAME = "up"\n||||||| base\nNAME = "a"\n=======\nNAME = "down"\n>>>>>>> commit\n'
    )
    assert tree.unmerged == ["a.py"]


def test_without_all_only_what_may_act_is_taken(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "sure", f"{DRIVER} %O %A %B %L %P")
    tree.branched(
        {"a.py": BASE, "b.txt": LINES},
        {"a.py": UP, "b.txt": LINES.replace("line 3", "x")},
        {"a.py": DOWN, "b.txt": LINES.replace("line 3", "x ")},
    )
    assert tree.run("merge", "-q", "topic").returncode == 1
    assert tree.unmerged == ["a.py"]
    assert tree.read("b.txt") == LINES.replace("line 3", "x")


def test_a_file_that_both_added_has_no_base(tree: Tree) -> None:
    tree.branched({}, {"a.txt": "x = 1\ny\n"}, {"a.txt": "x = 1  \ny\n"})
    assert tree.run("merge", "-q", "--no-edit", "topic").returncode == 0
    assert tree.read("a.txt") == "x = 1\ny\n"


def test_a_file_that_both_added_with_other_spaces_within_a_line_is_left_to_a_person(tree: Tree) -> None:
    tree.branched({}, {"a.txt": "x = 1\ny\n"}, {"a.txt": "x  = 1\ny\n"})
    assert tree.run("merge", "-q", "--no-edit", "topic").returncode == 1
    assert tree.unmerged == ["a.txt"]


def test_a_file_that_was_renamed_is_merged_under_its_new_name(tree: Tree) -> None:
    tree.branched({"a.py": BASE + MORE}, {"a.py": UP + MORE}, {"a.py": DOWN + MORE})
    tree.run("checkout", "-q", "topic")
    tree.run("mv", "a.py", "b.py")
    tree.run("commit", "-q", "-m", "rename")
    tree.run("checkout", "-q", "main")
    assert tree.run("merge", "-q", "--no-edit", "topic").returncode == 0
    assert tree.read("b.py") == BOTH + MORE


@pytest.mark.parametrize("path", ["poetry.lock", ".github/w.yml"])
def test_a_protected_path_is_left_to_a_person(tree: Tree, path: str) -> None:
    tree.branched({path: "a: 1\n"}, {path: "a:  1\n"}, {path: "a: 2\n"})
    done = tree.run("merge", "-q", "topic")
    assert (done.returncode, tree.unmerged) == (1, [path])
    assert "protected path" in done.stdout + done.stderr
    assert "<<<<<<< upstream\n" in tree.read(path)


def test_what_is_no_text_stays_as_git_leaves_it(tree: Tree) -> None:
    tree.branched({"a": b"x\0y"}, {"a": b"x\0up"}, {"a": b"x\0down"})
    done = tree.run("merge", "-q", "topic")
    assert (done.returncode, tree.unmerged) == (1, ["a"])
    assert (tree.folder / "a").read_bytes() == b"x\0up"


def test_line_ends_and_a_missing_last_one_are_kept(tree: Tree) -> None:
    up, down, base = (text.replace("\n", "\r\n").removesuffix("\r\n") for text in (UP, DOWN, BASE))
    tree.branched({"a.py": base}, {"a.py": up}, {"a.py": down})
    tree.run("merge", "-q", "--no-edit", "topic")
    text = (tree.folder / "a.py").read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n")
    assert not text.endswith(b"\n")


def test_an_executable_file_stays_executable(tree: Tree) -> None:
    tree.branched({"a.py": BASE}, {"a.py": UP}, {"a.py": DOWN})
    for branch in ("topic", "main"):
        tree.run("checkout", "-q", branch)
        (tree.folder / "a.py").chmod(0o755)
        tree.run("commit", "-q", "-a", "-m", "mode")
    assert tree.run("merge", "-q", "--no-edit", "topic").returncode == 0
    assert tree.run("ls-tree", "HEAD", "a.py").stdout.startswith("100755")


def test_a_path_of_any_bytes_is_merged(tree: Tree) -> None:
    for path in ("a b.py", "q\"uote'.py", "é.py", "-dash.py", "$(touch x).py"):
        tree.commit({path: BASE})
    tree.branched(
        {}, {p.name: UP for p in tree.folder.glob("*.py")}, {p.name: DOWN for p in tree.folder.glob("*.py")}
    )
    done = tree.run("merge", "-q", "--no-edit", "topic")
    assert done.returncode == 0, done.stderr
    assert {place.read_text() for place in tree.folder.glob("*.py")} == {BOTH}


# --------------------------------------------------------------------------------------- whatever goes wrong

BROKEN = {
    "raises": "def answer(asked, conflict): raise RuntimeError('so it is')",
    "crashes": "import os\ndef answer(asked, conflict): os.abort()",
    "exits": "import sys\ndef answer(asked, conflict): sys.exit(0)",
    "answers garbage": "def answer(asked, conflict): return b'1 1 0\\nhalf a text'",
    "answers nothing": "def answer(asked, conflict): return b''",
    "hangs": "import time\ndef answer(asked, conflict): time.sleep(60)",
    "eats memory": "def answer(asked, conflict): return b'x' * (8 << 30)",
    "cannot be imported": "import not_there_at_all",
    "writes and dies": "import os\ndef answer(asked, conflict):\n    asked.files.other.write_text('x')\n    os._exit(9)",
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_git_s_own_merge_stands_whatever_happens_to_the_rungs(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken_answers.py").write_text(BROKEN[name])
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import flowforge.wiring.merging as m\n"
        "m.ANSWER, m._DEADLINE = ('broken_answers', 'answer'), 2.0\n"
        "sys.exit(m.driven(sys.argv[1:]))"
    )
    current = three(tmp_path, UP, BASE, DOWN)
    done = verb("base.py", "current.py", "other.py", "7", "a.py", folder=tmp_path, code=code)
    assert (done.returncode, b"git's own merge stands" in done.stderr) == (1, True)
    assert "<<<<<<< upstream\nimport re\n=======\nimport sys\n>>>>>>> commit\n" in current.read_text()
    assert not list(tmp_path.glob(".flowforge-*"))


@pytest.mark.parametrize("missing", ["current.py", "other.py"])
def test_a_file_that_is_not_there_is_no_loss(tmp_path: Path, missing: str) -> None:
    three(tmp_path, UP, BASE, DOWN)
    (tmp_path / missing).unlink()
    before = {place.name: place.read_text() for place in tmp_path.glob("*.py")}
    done = verb("merge-file", "current.py", "base.py", "other.py", folder=tmp_path)
    assert done.returncode == 255
    assert {place.name: place.read_text() for place in tmp_path.glob("*.py")} == before
    done = verb("merge-driver", "base.py", "current.py", "other.py", "7", "a.py", folder=tmp_path)
    assert done.returncode == 1


# ------------------------------------------------------------------------------------------------ three files


def test_three_files_are_merged_into_the_first(tmp_path: Path) -> None:
    current = three(tmp_path, UP, BASE, DOWN)
    current.chmod(0o755)
    done = verb("merge-file", "--all", "current.py", "base.py", "other.py", folder=tmp_path)
    assert (done.returncode, current.read_text(), done.stdout) == (0, BOTH, b"")
    assert stat.S_IMODE(current.stat().st_mode) == 0o755


def test_the_result_may_go_to_stdout_and_no_file_is_written(tmp_path: Path) -> None:
    current = three(tmp_path, UP, BASE, DOWN)
    done = verb("merge-file", "-p", "--all", "current.py", "base.py", "other.py", folder=tmp_path)
    assert (done.returncode, done.stdout.decode(), current.read_text()) == (0, BOTH, UP)


def test_conflicts_that_are_left_are_the_exit_code(tmp_path: Path) -> None:
    base = "".join(f"{n}\n\n\n" for n in range(5))
    current = three(
        tmp_path, base.replace("1", "u").replace("3", "u"), base, base.replace("1", "c").replace("3", "c")
    )
    words = ("--marker-size", "9", "-L", "mine", "-L", "old", "-L", "yours", "--path", "a.txt")
    done = verb("merge-file", *words, "current.py", "base.py", "other.py", folder=tmp_path)
    assert done.returncode == 2
    assert current.read_text().count("<<<<<<<<< mine\n") == 2
    assert current.read_text().count(">>>>>>>>> yours\n") == 2


def test_many_conflicts_are_at_most_127(tmp_path: Path) -> None:
    texts = [
        "".join(f"{mark} {n}\n" + "".join(f"same {n} {k}\n" for k in range(9)) for n in range(200))
        for mark in "ubc"
    ]
    three(tmp_path, *texts)
    done = verb("merge-file", "-p", "current.py", "base.py", "other.py", "--path", "a.txt", folder=tmp_path)
    assert done.returncode == 127


@pytest.mark.parametrize(
    "words", [("merge-file", "a"), ("merge-driver", "a", "b"), ("merge-file", "--no-such", "a", "b", "c")]
)
def test_a_wrong_call_is_not_taken_for_conflicts(tmp_path: Path, words: Sequence[str]) -> None:
    done = verb(*words, folder=tmp_path)
    assert (done.returncode, done.stderr.startswith(b"error: ")) == (129, True)


def test_a_link_is_written_through(tmp_path: Path) -> None:
    current = three(tmp_path, UP, BASE, DOWN)
    (tmp_path / "link.py").symlink_to("current.py")
    done = verb("merge-file", "--all", "link.py", "base.py", "other.py", folder=tmp_path)
    assert (done.returncode, current.read_text()) == (0, BOTH)
    assert (tmp_path / "link.py").is_symlink()


def test_a_folder_that_cannot_be_written_loses_nothing(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    current = three(tmp_path, UP, BASE, DOWN)
    tmp_path.chmod(0o555)
    done = verb("merge-file", "current.py", "base.py", "other.py", folder=tmp_path)
    tmp_path.chmod(0o755)
    assert (done.returncode, current.read_text()) == (255, UP)


def test_the_mergetool_of_the_page_works(tree: Tree) -> None:
    tree.run("config", "merge.flowforge.driver", "false")
    (tree.folder / ".git" / "info" / "attributes").unlink()
    tree.branched({"a.py": BASE}, {"a.py": UP}, {"a.py": DOWN})
    assert tree.run("merge", "-q", "topic").returncode == 1
    page = (files("flowforge.docs") / "merge-driver.md").read_text(encoding="utf-8")
    command = next(line for line in page.splitlines() if "mergetool.flowforge.cmd" in line).split("'")[1]
    tree.run(
        "config",
        "mergetool.flowforge.cmd",
        command.replace("flowforge merge-file", f"{sys.executable} -m flowforge.wiring.main merge-file"),
    )
    tree.run("config", "mergetool.flowforge.trustExitCode", "true")
    tree.run("config", "mergetool.keepBackup", "false")
    done = tree.run("mergetool", "--no-prompt", "--tool=flowforge")
    assert (done.returncode, tree.unmerged) == (0, []), done.stderr
    assert tree.read("a.py") == BOTH


def test_a_driver_that_is_not_configured_is_no_error(tree: Tree) -> None:
    tree.run("config", "--unset", "merge.flowforge.driver")
    tree.branched({"a.py": BASE}, {"a.py": UP}, {"a.py": BASE + MORE})
    assert tree.run("merge", "-q", "--no-edit", "topic").returncode == 0
    assert tree.read("a.py") == UP + MORE


def test_a_stash_comes_back_over_a_change(tree: Tree) -> None:
    tree.commit({"a.py": BASE})
    (tree.folder / "a.py").write_text(DOWN)
    tree.run("stash")
    tree.commit({"a.py": UP})
    assert tree.run("stash", "pop", "-q").returncode == 0
    assert tree.read("a.py") == BOTH


# ------------------------------------------------------------------------------------------------- memory


def remembered(tree: Tree, state: Path, *, confirmed: bool) -> Given:
    """What a person, or a rung that nobody has confirmed since, once answered for the conflict of `guess`."""
    folder = state / "three"
    folder.mkdir(parents=True)
    for name, text in (("base", "line 3"), ("current", "up"), ("other", "down")):
        (folder / name).write_text(LINES.replace("line 3", text))
    three = ThreeFiles(current=folder / "current", base=folder / "base", other=folder / "other")
    conflict = conflict_of(three, "a.txt")
    assert conflict is not None
    ada = Person(user="", name="Ada")
    one = Given(
        key=keys(conflict)[0],
        path="a.txt",
        text=b"both ways\n",
        rung="person",
        rule="",
        why="",
        commit="",
        by=ada,
    )
    file = AnswerFile(path=state / "flowforge" / "memory.sqlite3", say=pytest.fail)
    memory = FileMemory(file=file, repository=str(tree.folder.resolve()), say=pytest.fail)
    memory.keep([one])
    if not confirmed:
        memory.tested([one.mark], passed=False)  # a proposal again
    return one


def guess(tree: Tree) -> None:
    tree.branched(
        {"a.txt": LINES}, {"a.txt": LINES.replace("line 3", "up")}, {"a.txt": LINES.replace("line 3", "down")}
    )


def test_what_a_person_decided_in_this_very_place_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Tree(tmp_path / "tree", f"{DRIVER} %O %A %B %L %P")
    guess(tree)
    remembered(tree, tmp_path / "state", confirmed=True)
    monkeypatch.setitem(ENV, "XDG_STATE_HOME", str(tmp_path / "state"))
    done = tree.run("merge", "-q", "--no-edit", "topic")
    assert (done.returncode, tree.unmerged) == (0, []), done.stderr
    assert tree.read("a.txt") == LINES.replace("line 3", "both ways")
    assert "as Ada decided on " in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("confirmed", "options", "environment"),
    [(False, "", {}), (True, " --no-memory", {}), (True, "", {"FLOWFORGE_LOCAL_MEMORY": "off"})],
)
def test_memory_is_silent_where_nobody_agreed_or_it_is_switched_off(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    confirmed: bool,
    options: str,
    environment: dict[str, str],
) -> None:
    tree = Tree(tmp_path / "tree", f"{DRIVER}{options} %O %A %B %L %P")
    guess(tree)
    remembered(tree, tmp_path / "state", confirmed=confirmed)
    for name, value in {"XDG_STATE_HOME": str(tmp_path / "state"), **environment}.items():
        monkeypatch.setitem(ENV, name, value)
    assert tree.run("merge", "-q", "--no-edit", "topic").returncode == 1
    assert tree.unmerged == ["a.txt"]


def test_a_damaged_memory_costs_a_sentence_and_no_merge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Tree(tmp_path / "tree")
    tree.branched({"a.py": BASE}, {"a.py": UP}, {"a.py": DOWN})
    place = tmp_path / "state" / "flowforge" / "memory.sqlite3"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"broken" * 1000)
    monkeypatch.setitem(ENV, "XDG_STATE_HOME", str(tmp_path / "state"))
    done = tree.run("merge", "-q", "--no-edit", "topic")
    assert (done.returncode, tree.read("a.py")) == (0, BOTH)
    assert "the memory of this machine was damaged" in done.stdout + done.stderr
