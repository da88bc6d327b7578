"""`flowforge help TOPIC`: the user documentation, as it is installed."""

from collections.abc import Mapping
from importlib import resources
from typing import Annotated

import typer

from flowforge.cli.app import single
from flowforge.cli.output import data, say
from flowforge.core.errors import Reason, Refused


def topics() -> Mapping[str, str]:
    """Every page by its name, with its text."""
    pages = resources.files("flowforge.docs").iterdir()
    found = {page.name.removesuffix(".md"): page for page in pages if page.name.endswith(".md")}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def title(page: str) -> str:
    """The page's first heading."""
    return next((line.removeprefix("# ") for line in page.splitlines() if line.startswith("# ")), "")


def show(topic: Annotated[str, typer.Argument(help="A page's name; none lists them.")] = "") -> None:
    """Show a page of the documentation."""
    pages = topics()
    if not topic:
        say("Pages (flowforge help PAGE):")
        for name, page in pages.items():
            data(f"{name.ljust(16)} {title(page)}")
        return
    if topic not in pages:
        raise Refused(
            Reason.NOT_FOUND,
            f"there is no page {topic[:60]!r}",
            next_action=f"name one of {', '.join(pages)}",
        )
    data(pages[topic].rstrip())


app = single(show)
