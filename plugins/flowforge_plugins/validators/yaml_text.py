"""YAML by a real reader, keys that stand twice included. Tags are not resolved: a project may have its own."""

from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from flowforge.plugin import CheckedFile, Finding
from flowforge_plugins.validators.newly import Problem, newly_broken

_LARGEST = 1 << 20  # bytes; above, reading takes longer than a check may


def check(file: CheckedFile) -> Iterator[Finding]:
    if len(file.text) <= _LARGEST:
        yield from newly_broken(file, "yaml-syntax", _yaml)


def _yaml(text: bytes) -> Problem | None:
    reader = YAML(typ="rt", pure=True)
    try:
        for _document in reader.load_all(text.decode()):
            pass
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        return Problem(message=f"is no valid YAML: {error.problem or error.context}", line=line)
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        return Problem(message=f"is no valid YAML: {str(error).splitlines()[0]}")
    except RecursionError:
        return Problem(message="is nested too deeply to be read")
    return None
