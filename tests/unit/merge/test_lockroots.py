"""Whether a lockfile fits its manifest. The hashes here were written by poetry 2.5 and composer 2.5 for these texts."""

import json

import pytest

from flowforge.merge.lockroots import fits

LEGACY = """[tool.poetry]
name = "app"
version = "1.0"
description = ""
authors = []
package-mode = false

[tool.poetry.dependencies]
python = ">=3.11"
"""
PROJECT = """[project]
name = "app"
version = "1.0"
requires-python = ">=3.11"
dependencies = []

[tool.poetry]
package-mode = false
"""
GROUPS = """[project]
name = "app"
version = "1.0"
requires-python = ">=3.11"

[dependency-groups]
dev = []
test = [{include-group = "dev"}]

[tool.poetry]
package-mode = false
"""
OWN_GROUPS = """[tool.poetry]
name = "app"
version = "1.0"
package-mode = false

[tool.poetry.dependencies]
python = ">=3.11"

[tool.poetry.group.dev.dependencies]

[tool.poetry.extras]
x = []
"""
POETRY = [
    (LEGACY, "1d1aeb46f29959994043b0e716c24eb2803261665aa7ccc87b9bc6747c381ce0"),
    (PROJECT, "f5666f5625d676c506924a57dc0520a1f3ed2b2c774baed3dc85353594f8473d"),
    (GROUPS, "93176d3697e918a4a3699329b4890e77d7eefe12d5eea91c6e81585032768338"),
    (OWN_GROUPS, "b24b0063a13ad29336e77142334c88ea8fd912e298646da3bb6e791d0323e83f"),
]
COMPOSER = json.dumps(
    {"name": "app/é", "require": {"a/b": "^1"}, "extra": {}, "config": {"platform": {"php": "8.2"}}}
)
COMPOSED = "6a1b2c9f085a1d10a33f2d7dd8c3c34a"


def poetry(said: str) -> bytes:
    return f'[metadata]\ncontent-hash = "{said}"\n'.encode()


@pytest.mark.parametrize(("manifest", "said"), POETRY)
def test_a_hash_of_poetry_is_that_of_its_manifest(manifest: str, said: str) -> None:
    fit = fits("poetry.lock", poetry(said), "pyproject.toml", manifest.encode())
    other = manifest.replace("3.11", "3.12")
    assert (fit, fits("poetry.lock", poetry(said), "pyproject.toml", other.encode())) == (True, False)
    renamed = manifest.replace('"app"', '"application"')
    assert fits("poetry.lock", poetry(said), "pyproject.toml", renamed.encode())


def test_a_hash_of_composer_is_that_of_its_manifest() -> None:
    lock = json.dumps({"content-hash": COMPOSED, "packages": []}).encode()
    assert fits("composer.lock", lock, "composer.json", COMPOSER.encode())
    described = json.dumps({**json.loads(COMPOSER), "description": "no part of it"})
    assert fits("composer.lock", lock, "composer.json", described.encode())
    assert fits("composer.lock", lock, "composer.json", COMPOSER.replace("^1", "^2").encode()) is False


NPM = '{"packages": {"": {"dependencies": {"a": "^1"}, "devDependencies": {"b": "2"}}}}'
UV = """[[package]]
name = "app"
source = { virtual = "." }
[package.metadata]
requires-dist = [
    { name = "a-b", extras = ["x"], specifier = ">=1,<2" },
    { name = "c", marker = "extra == 'more'" },
]
"""
UV_MANIFEST = """[project]
name = "app"
dependencies = ["A_b[x] >= 1, < 2"]
[project.optional-dependencies]
more = ["c"]
"""
GEMS = "GEM\n  specs:\n\nDEPENDENCIES\n  rails (~> 7)\n  mine!\n\nBUNDLED WITH\n   2\n"
COPIES = [
    (
        "package-lock.json",
        NPM,
        "package.json",
        '{"dependencies": {"a": "^1"}, "devDependencies": {"b": "2"}}',
        True,
    ),
    (
        "package-lock.json",
        NPM,
        "package.json",
        '{"dependencies": {"a": "^2"}, "devDependencies": {"b": "2"}}',
        False,
    ),
    ("npm-shrinkwrap.json", NPM, "package.json", '{"dependencies": {"a": "^1"}}', False),
    ("package-lock.json", '{"packages": {"": {}}}', "package.json", '{"dependencies": {}}', True),
    ("package-lock.json", '{"dependencies": {}}', "package.json", "{}", None),
    ("uv.lock", UV, "pyproject.toml", UV_MANIFEST, True),
    ("uv.lock", UV, "pyproject.toml", UV_MANIFEST.replace("< 2", "< 3"), False),
    ("uv.lock", UV, "pyproject.toml", UV_MANIFEST.replace('["c"]', '["c", "d"]'), False),
    ("uv.lock", UV.replace('"."', '"libs"'), "pyproject.toml", UV_MANIFEST, None),
    ("Gemfile.lock", GEMS, "Gemfile", "gem 'rails', '~> 7'\ngem \"mine\", path: '.'\n", True),
    ("gems.locked", GEMS, "gems.rb", "gem 'rails'\n", False),
]


@pytest.mark.parametrize(("path", "lock", "manifest_path", "manifest", "fit"), COPIES)
def test_a_copy_of_what_a_manifest_asks_for_is_compared(
    path: str, lock: str, manifest_path: str, manifest: str, *, fit: bool | None
) -> None:
    assert fits(f"x/{path}", lock.encode(), f"x/{manifest_path}", manifest.encode()) is fit


UNKNOWN = [
    ("Cargo.lock", b"", "Cargo.toml", b""),
    ("poetry.lock", b"", "pyproject.toml", b""),
    ("poetry.lock", b"[metadata]\ncontent-hash = 3\n", "pyproject.toml", b""),
    ("composer.lock", b"{}", "composer.json", b"{}"),
    ("package-lock.json", b"[]", "package.json", b"{}"),
    ("package-lock.json", b'{"packages": {"": {}}}', "package.json", b"\xff"),
    ("uv.lock", b"package = 3", "pyproject.toml", b""),
]


@pytest.mark.parametrize(("path", "lock", "manifest_path", "manifest"), UNKNOWN)
def test_what_cannot_be_told_accuses_nobody(
    path: str, lock: bytes, manifest_path: str, manifest: bytes
) -> None:
    assert fits(path, lock, manifest_path, manifest) is None
