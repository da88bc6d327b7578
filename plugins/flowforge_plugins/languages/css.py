"""CSS. Which of two rules wins is a matter of their order, so nearly everything keeps its place."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_QUERY = "feature_query|keyword_query|binary_query|unary_query|selector_query|parenthesized_query"

_CSS = Language(
    id="css",
    globs=("*.css",),
    grammar="tree_sitter_css:language",
    entities=(
        EntityRule(
            node="rule_set", kind="rules", name="selectors", body="block", ordered=True, counted=False
        ),
        EntityRule(node="declaration", kind="property", name="property_name", ordered=True, counted=False),
        *(
            EntityRule(node=node, kind=node, name=_QUERY, body="block", ordered=True, counted=False)
            for node in ("media_statement", "supports_statement")
        ),
        EntityRule(node="keyframes_statement", kind="keyframes", name="keyframes_name", counted=False),
    ),
    comments=("comment", "js_comment"),
    atoms=(
        "string_value",
        "color_value",
        "integer_value",
        "float_value",
        "call_expression",
        "selectors",
        "comment",
        "js_comment",
    ),
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_CSS]
