"""What a calibration job is: one stage, made here and never read from a file, what it was asked for, and what it finds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from flowforge.core.pipeline import Pipeline, StageSpec
from flowforge.git.mirror import Mirror

CALIBRATE: Final = "calibrate"  # the task and the trigger of such a job; nobody can submit one by these words
LONGEST: Final = 4 * 3600.0  # seconds
FEWEST: Final = 10  # merges with conflicts; what fewer say is chance

PIPELINE: Final = Pipeline(
    name=CALIBRATE,
    version=1,
    stages=(StageSpec(id=CALIBRATE, uses=CALIBRATE, timeout=LONGEST),),
    source="flowforge:calibrate",
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What was asked for. It is kept with the job, as words."""

    apply: bool = False  # set the policy; else report only
    k: float = 10.0  # what a wrong answer costs, in files handed back
    limit: int = 0  # conflicting merges to look at; 0 = all
    before: str = ""  # only merges before this day

    def words(self) -> dict[str, str]:
        return {
            "apply": "yes" if self.apply else "no",
            "k": f"{self.k:g}",
            "limit": str(self.limit),
            "before": self.before,
        }

    @classmethod
    def read(cls, words: Mapping[str, str]) -> "Wish":
        """What `words` gave; what is not there (it was erased after its time) is as if not asked for."""
        return cls(
            apply=words.get("apply") == "yes",
            k=float(words.get("k") or cls.k),
            limit=int(words.get("limit") or 0),
            before=words.get("before", ""),
        )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a history has said. Costs are over its later part, by the wish's k."""

    merges: int  # with conflicts
    files: int  # with places
    paths: int  # conflicts about a path as a whole
    head: str  # commit of the default branch
    actions: Mapping[str, int]  # how many rules may act, must be confirmed, are off
    own: float  # cost of a policy learnt from the earlier part
    shipped: float  # the same without a history
    policy: Mapping[str, object]
    report: Path
    page: Path

    @property
    def better(self) -> bool:
        """Whether the repository's own policy costs no more than what is shipped."""
        return self.own <= self.shipped


class Calibrating(Protocol):
    """What the stage needs of the worker that runs it."""

    @property
    def wish(self) -> Wish: ...

    def measure(
        self, mirror: Mirror, branch: str, tip: str, folder: Path, tell: Callable[[int], None]
    ) -> Measured:
        """Count, split and judge the history of a branch; `tell` hears how many files were looked at.

        Raises:
            Refused: cancelled, and what a calibration is refused for.
            Temporary: timeout, or the process that counts has died.
        """
        ...

    def keep(self, measured: Measured) -> Mapping[str, str]:
        """Keep report and page beyond this worker; references by name."""
        ...

    def apply(self, policy: Mapping[str, object]) -> None:
        """Set the policy of the repository.

        Raises:
            Refused: cancelled, when the cancel was first.
        """
        ...
