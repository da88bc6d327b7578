"""The report as text for a terminal and as Markdown for a page.

Paths, subjects and reasons come from a repository or a model: in a terminal nothing in them may move the cursor,
and on a page nothing in them may become a link, a mention, a picture or a tag.
"""

import re
import textwrap
import unicodedata
from typing import Final

from flowforge.report.facts import JobReport
from flowforge.report.sections import Row, Section, headline, sections

WIDTH: Final = 80
MAX_TEXT: Final = 600  # characters of one sentence
_SPECIAL: Final = re.compile(r"([\\`*_\[\]|~<>$&])")
_LEADING: Final = re.compile(r"^(\d*)([-+#.)=])")  # what would begin a list, a heading or a rule
_LINKED: Final = re.compile(r"(?i)([@#])(?=\w)|\b(https?:|ftp:|mailto:|www\.)|(?<=\w)(@)(?=\w)|\b(GH-)(?=\d)")
_BREAK: Final = "<!-- -->"  # a page makes links of names and addresses even where they are escaped


def as_text(report: JobReport, width: int = WIDTH) -> str:
    """Plain text, no line longer than `width` columns, ends with a line end."""
    lines = _wrapped(visible(headline(report)), width, "")
    for section in sections(report):
        lines += ["", *text_of(section, width)]
    return "\n".join(lines) + "\n"


def text_of(section: Section, width: int = WIDTH) -> list[str]:
    """The lines of one section as `as_text` has them."""
    rows = [line for row in section.rows for line in _text_row(row, width)]
    return [*_wrapped(visible(section.title), width, ""), *rows]


def _text_row(row: Row, width: int) -> list[str]:
    code, text = visible(row.code), visible(row.text)
    lines = _wrapped(f"{code}  {text}".rstrip() if code else text, width, "  ")
    for more in row.more:
        lines += _wrapped(visible(more), width, "      ")
    return lines


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    """Wrapped at `width`; a line after the first stands two columns further in."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_on_hyphens=False,
    )


def as_markdown(report: JobReport) -> str:
    """GitHub-flavoured Markdown without headings above level 3, ends with a line end."""
    lines = [f"**{escaped(headline(report))}**"]
    for section in sections(report):
        lines += ["", f"### {escaped(section.title)}", ""]
        for row in section.rows:
            parts = [part for part in (code_span(row.code), escaped(row.text)) if part]
            lines.append(f"- {' '.join(parts)}")
            lines += [f"  - {escaped(more)}" for more in row.more]
    return "\n".join(lines) + "\n"


def visible(text: str) -> str:
    """One line, bounded, with every character that is not seen as itself written out."""
    shown = "".join(_seen(char) for char in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= MAX_TEXT else shown[: MAX_TEXT - 1] + "…"


def _seen(char: str) -> str:
    if char in "\n\r\t":
        return " "
    if unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}:
        return f"\\u{ord(char):04x}"
    return char


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, without links, mentions or references."""
    safe = _SPECIAL.sub(r"\\\1", visible(text))
    safe = _LEADING.sub(r"\1\\\2", safe)
    return _LINKED.sub(lambda found: found[0] + _BREAK, safe)


def code_span(text: str) -> str:
    """A code span that no backtick in `text` can end; "" for no text."""
    shown = visible(text)
    if not shown:
        return ""
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
