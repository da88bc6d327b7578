"""Markdown by section. A paragraph is never cut: what two people wrote into one sentence is no sentence."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_HEADING = "atx_heading|setext_heading"

_MARKDOWN = Language(
    id="markdown",
    globs=("*.md", "*.markdown"),
    grammar="tree_sitter_markdown:language",
    entities=(
        EntityRule(
            node="section",
            kind="section",
            name=f"{_HEADING}/heading_content",
            body=".",
            opener=_HEADING,
            ordered=True,
            counted=False,
        ),
    ),
    comments=(),
    atoms=(
        "inline",
        "paragraph",
        "html_block",
        "code_fence_content",
        "indented_code_block",
    ),
    indentation=True,
    document=True,
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_MARKDOWN]
