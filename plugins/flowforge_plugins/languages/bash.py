"""Bash and the shells that read like it. All but functions runs from top to bottom."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_BASH = Language(
    id="bash",
    globs=("*.sh", "*.bash", "*.ksh", ".bashrc", ".bash_profile", ".profile"),
    grammar="tree_sitter_bash:language",
    entities=(
        EntityRule(node="function_definition", kind="function"),
        EntityRule(node="variable_assignment", kind="variable", ordered=True, counted=False),
        EntityRule(
            node="declaration_command",
            kind="variable",
            name="variable_assignment/name",
            ordered=True,
            counted=False,
        ),
    ),
    atoms=("string", "raw_string", "ansi_c_string", "heredoc_body", "regex", "comment"),
    line_comment="#",
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_BASH]
