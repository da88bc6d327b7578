"""The validators that FlowForge brings. Descriptors only: their code is imported in a child, on first use."""

from collections.abc import Sequence

from flowforge.plugin import Validator, hookimpl

_HERE = "flowforge_plugins.validators"
_SCRIPTS = ("javascript", "typescript", "tsx")
_TREES = ("go", "java", "javascript", "typescript", "tsx")
_LOCKS = (
    "uv.lock", "poetry.lock", "*.txt", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock",
    "Cargo.lock", "go.sum", "Gemfile.lock", "gems.locked", "composer.lock",
)  # fmt: skip
_PARSED = (*_TREES, "bash", "c", "cpp", "csharp", "css", "kotlin", "php", "ruby", "rust", "scala")


@hookimpl
def register_validators() -> Sequence[Validator]:
    return (
        Validator(id="markers", check="markers", load="flowforge.validate.markers:check"),
        Validator(id="provenance", check="provenance", load="flowforge.validate.provenance:check"),
        Validator(id="lost", check="provenance", load="flowforge.validate.lost:check"),
        Validator(id="python", check="syntax", load=f"{_HERE}.syntax:python", languages=("python",)),
        Validator(id="json", check="syntax", load=f"{_HERE}.syntax:json_text", languages=("json",)),
        Validator(id="toml", check="syntax", load=f"{_HERE}.syntax:toml", languages=("toml",)),
        Validator(
            id="yaml", check="syntax", load=f"{_HERE}.yaml_text:check", languages=("yaml",), timeout=20.0
        ),
        Validator(id="trees", check="syntax", load=f"{_HERE}.trees:check", languages=_PARSED),
        Validator(
            id="across", check="semantics", load=f"{_HERE}.across:check", languages=("python", *_TREES)
        ),
        Validator(id="names", check="semantics", load=f"{_HERE}.names:check", languages=("python",)),
        Validator(id="go-names", check="semantics", load=f"{_HERE}.scopes_go:check", languages=("go",)),
        Validator(id="java-names", check="semantics", load=f"{_HERE}.scopes_java:check", languages=("java",)),
        Validator(
            id="script-names", check="semantics", load=f"{_HERE}.scopes_script:check", languages=_SCRIPTS
        ),
        Validator(
            id="lockfile",
            check="semantics",
            load="flowforge.validate.locked:check",
            globs=_LOCKS,
            timeout=30.0,
        ),
        Validator(id="python-calls", check="security", load=f"{_HERE}.calls:python", languages=("python",)),
        Validator(id="calls", check="security", load=f"{_HERE}.calls:other", languages=_TREES),
        Validator(id="secrets", check="security", load=f"{_HERE}.secrets:check"),
    )
