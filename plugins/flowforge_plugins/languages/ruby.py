"""Ruby."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_TESTS = "method[.=describe|context|feature|scenario|it|specify|test|shared_examples|shared_context]"
_ARGUMENT = "arguments/string|simple_symbol|constant|scope_resolution"

_RUBY = Language(
    id="ruby",
    globs=("*.rb", "*.rake", "Rakefile", "*.ru"),
    grammar="tree_sitter_ruby:language",
    entities=(
        EntityRule(node="class", kind="class", body="body"),
        EntityRule(node="module", kind="module", body="body"),
        EntityRule(node="singleton_class", kind="singleton", name="value", body="body", counted=False),
        EntityRule(node="method", kind="method"),
        EntityRule(node="singleton_method", kind="singleton method"),
        EntityRule(node="assignment", kind="variable", name="left", ordered=True),
        EntityRule(  # an example or a group of them: none relies on another's place
            node="call",
            kind="test",
            name=_ARGUMENT,
            signature=("method",),
            body="block/body",
            when=f"block&{_TESTS}",
            counted=False,
        ),
        EntityRule(  # a route, a task, a table: its place may have a meaning
            node="call",
            kind="call",
            name=_ARGUMENT,
            signature=("method",),
            body="block/body",
            when="block",
            ordered=True,
            counted=False,
        ),
    ),
    imports=("call",),
    import_when="method[.=require|require_relative]",
    import_source="arguments/string",
    import_opaque=True,
    labels=("identifier",),  # `private`; any other word alone on its line may be one
    atoms=("string", "simple_symbol", "regex", "heredoc_body", "string_array", "symbol_array", "comment"),
    line_comment="#",
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_RUBY]
