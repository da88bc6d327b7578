"""HTML. An element is known by its tag, its id or what else names it; where nothing does, it is text."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl


def _attribute(name: str) -> str:
    return f"start_tag/attribute[attribute_name={name}]/quoted_attribute_value|attribute_value"


def _element(node: str) -> tuple[EntityRule, ...]:
    identity = EntityRule(
        node=node,
        kind="element with an id",
        name=_attribute("id"),
        signature=("start_tag/tag_name",),
        body=".",
        opener="start_tag",
        closer="end_tag",
        ordered=True,
        counted=False,
    )
    return identity, EntityRule(
        node=node,
        kind="element",
        name="start_tag/tag_name",
        signature=tuple(_attribute(name) for name in ("name", "property", "src", "href", "for", "class")),
        body=".",
        opener="start_tag",
        closer="end_tag",
        ordered=True,
        counted=False,
    )


_HTML = Language(
    id="html",
    globs=("*.html", "*.htm", "*.xhtml"),
    grammar="tree_sitter_html:language",
    entities=(*_element("element"), *_element("script_element"), *_element("style_element")),
    atoms=("text", "raw_text", "quoted_attribute_value", "comment"),
    document=True,
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_HTML]
