"""The policy of a repository: from a file that a person names, from its settings, or as shipped."""

from collections.abc import Callable, Mapping

from flowforge.cli.folders import file_named
from flowforge.core.errors import Reason, Refused
from flowforge.hooks.manager import Registry
from flowforge.resolve.kinds import kind_of
from flowforge.resolve.learnt import MAX_TEXT, SETTING, Learnt, policy_from, read_policy
from flowforge.resolve.policy import Policy
from flowforge.resolve.rungs import language_of


def kinds(registry: Registry) -> Callable[[str], str]:
    """Of which kind of file a path is, for a `Policy`."""
    languages = tuple(registry.languages.values())
    return lambda path: kind_of(path, language_of(path, languages)).value


def policy_in(name: str, registry: Registry) -> Policy:
    """The policy in a file that `flowforge calibrate` wrote; "" = as shipped.

    Raises:
        Refused: policy_invalid.
    """
    return policy_file(name).policy(kinds(registry)) if name else Policy()


def policy_file(name: str) -> Learnt:
    """What a file that a person names holds.

    Raises:
        Refused: policy_invalid.
    """
    file = file_named(name)
    try:
        text = file.read_bytes() if file is not None and file.stat().st_size <= 4 * MAX_TEXT else None
    except OSError:
        text = None
    if text is None:
        raise Refused(
            Reason.POLICY_INVALID,
            f"there is no policy file {name[:200]!r} that can be read",
            next_action="write one with: flowforge calibrate --policy FILE",
        )
    return read_policy(text, repr(name[:200]))


def policy_set(settings: Mapping[str, object], registry: Registry) -> Policy:
    """The policy that a repository's settings hold; as shipped where they hold none.

    Raises:
        Refused: policy_invalid.
    """
    kept = settings.get(SETTING)
    if kept is None:
        return Policy()
    return policy_from(kept, "what the repository's settings hold").policy(kinds(registry))
