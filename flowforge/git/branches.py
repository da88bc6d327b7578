"""Which branches have something to rebase."""

from collections.abc import Collection

from flowforge.git.mirror import Mirror, kept_ref


def ahead_of(mirror: Mirror, target: str, names: Collection[str]) -> tuple[str, ...]:
    """Those of the fetched branches `names` with commits that the commit `target` lacks, newest tip first."""
    by_ref = {kept_ref(name): name for name in names}
    out = mirror.git.run(
        "for-each-ref",
        f"--no-merged={target}",
        "--sort=-committerdate",
        "--format=%(refname)",
        "refs/flowforge/",
    )
    return tuple(by_ref[ref] for ref in out.decode().split() if ref in by_ref)
