"""A repository with many branches that all need a rebase, and a pipeline that costs little."""

from tests.acceptance.house import Project

PIPELINE = """version: 1
name: soak
stages:
  - {id: clone, uses: clone}
  - {id: rebase, uses: rebase}
  - {id: validate, uses: validate, with: {checks: [markers, provenance]}}
  - {id: push, uses: push, with: {to: head, require: validated}}
finally:
  - {uses: report}
"""
_WHO = "Ada <ada@example.org> 17000000{:02} +0000"


def branch_off(project: Project, names: list[str]) -> None:
    """Branches of one commit each, off a main that has moved on since; made in one go, as there may be hundreds."""
    stream = [_commit("main", 1, "", "Begin"), _file(".flowforge.yml", PIPELINE), _file("shop.py", "x = 1\n")]
    stream += [_commit("main", 2, "from :1\n", "Move on"), _file("main.py", "y = 2\n")]
    for name in names:
        stream += [_commit(name, 0, "from :1\n", f"Work on {name}"), _file(f"{name}.py", f'z = "{name}"\n')]
    project.repository.git("fast-import", "--quiet", stdin="".join(stream).encode())


def _commit(branch: str, mark: int, parent: str, message: str) -> str:
    marked = f"mark :{mark}\n" if mark else ""
    who = _WHO.format(mark)
    return f"commit refs/heads/{branch}\n{marked}committer {who}\ndata {len(message)}\n{message}\n{parent}"


def _file(path: str, text: str) -> str:
    return f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n"
