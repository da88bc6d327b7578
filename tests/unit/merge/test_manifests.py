"""Which packages a manifest names, and manifests that cannot be read."""

import pytest

from flowforge.core.conflict import Abstain
from flowforge.merge.manifests import read_named

PYPROJECT = """[project]
name = "app"
dependencies = ["Alpha_One[extra]>=1,<2; python_version > '3'", "beta"]
[project.optional-dependencies]
more = ["gamma~=1.0"]
[dependency-groups]
dev = ["delta", {include-group = "more"}]
[tool.uv]
dev-dependencies = ["epsilon==1"]
[tool.poetry.dependencies]
python = "^3.11"
zeta = "^1"
[tool.poetry.dev-dependencies]
eta = "*"
[tool.poetry.group.test.dependencies]
theta = {version = "^2", optional = true}
"""
CARGO = """[package]
name = "app"
[dependencies]
serde = "1"
json = { package = "serde_json", version = "1" }
[dev-dependencies]
rand = "0.8"
[target.'cfg(unix)'.dependencies]
libc = "0.2"
[workspace.dependencies]
tokio = "1"
"""
GO = """module example.com/app

go 1.22

require example.com/one v1.0.0

require (
\texample.com/two v1.2.0
\texample.com/deep v0.1.0 // indirect
)

replace example.com/two => ../two
"""
GEMFILE = """source "https://gems.example.org"
gem "rails", "~> 7.1"
gem('rack')
# gem "not"
group :test do
  gem 'rspec'
end
"""
CASES = [
    (
        "pyproject.toml",
        PYPROJECT,
        {"alpha-one", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"},
    ),
    (
        "package.json",
        '{"dependencies": {"a": "1"}, "devDependencies": {"@s/b": "2"}, "optionalDependencies": {"c": "3"}}',
        {"a", "@s/b", "c"},
    ),
    (
        "package.json",
        '{"dependencies": {"a": "1"}, "peerDependencies": {"d": "4"}, "bundledDependencies": ["a"]}',
        {"a"},
    ),
    (
        "package.json",
        '{"devDependencies": {"@s/b": "2", "a": "1"}, "optionalDependencies": {"c": "3"}, "scripts": {"x": "y"}}',
        {"a", "@s/b", "c"},
    ),
    ("Cargo.toml", CARGO, {"serde", "serde_json", "rand", "libc", "tokio"}),
    ("go.mod", GO, {"example.com/one", "example.com/two"}),
    ("Gemfile", GEMFILE, {"rails", "rack", "rspec"}),
    (
        "composer.json",
        '{"require": {"php": ">=8.1", "ext-json": "*", "Vendor/One": "^1"}, "require-dev": {"vendor/two": "*"}}',
        {"vendor/one", "vendor/two"},
    ),
    (
        "requirements/dev.in",
        "-r base.in\n# note\nAlpha.One>=1\nbeta[x]==2 ; python_version<'4'\n",
        {"alpha-one", "beta"},
    ),
    ("something.else", "alpha", set()),
]


@pytest.mark.parametrize(("path", "text", "names"), CASES)
def test_the_names_are_read(path: str, text: str, names: set[str]) -> None:
    assert read_named(path, text.encode()) == names


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pyproject.toml", b"<<<<<<< upstream\n"),
        ("pyproject.toml", b"project = 3\n"),
        ("pyproject.toml", b"\xff"),
        ("package.json", b"{"),
        ("package.json", b"[]"),
        ("package.json", b"[" * 100_000),
        ("Cargo.toml", b"dependencies = 1\n"),
        ("composer.json", b"null"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_told(path: str, text: bytes) -> None:
    found = read_named(path, text)
    assert isinstance(found, Abstain)
    assert found.why == "manifest_unreadable"
    assert path in found.sentence
