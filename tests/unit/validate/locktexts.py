"""Small lockfiles of every format, from names and `version need need`. A name's own blanks tell namesakes apart."""

import json
from collections.abc import Iterator

Rows = Iterator[tuple[str, str, list[str]]]


def rows(packages: dict[str, str]) -> Rows:
    for name, text in packages.items():
        version, *needs = text.split()
        yield name.strip(), version, needs


def digest(name: str, version: str) -> str:
    return f"sha512-{name}{version}"


def cargo(**packages: str) -> str:
    made = ["version = 4\n"]
    for name, version, needs in rows(packages):
        made.append(
            f'\n[[package]]\nname = "{name}"\nversion = "{version}"\nsource = "registry+https://index.example.org"\n'
            f'checksum = "{digest(name, version)}"\ndependencies = {json.dumps(needs)}\n'
        )
    return "".join(made)


def uv(**packages: str) -> str:
    made = ["version = 1\n"]
    for name, version, needs in rows(packages):
        needed = ", ".join(f'{{ name = "{need}" }}' for need in needs)
        made.append(
            f'\n[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "r" }}\n'
            f'dependencies = [{needed}]\nsdist = {{ hash = "{digest(name, version)}" }}\n'
        )
    return "".join(made)


def poetry(**packages: str) -> str:
    made = []
    for name, version, needs in rows(packages):
        needed = "".join(f'{need} = "*"\n' for need in needs)
        made.append(
            f'[[package]]\nname = "{name}"\nversion = "{version}"\nfiles = [{{hash = "{digest(name, version)}"}}]\n'
            f"[package.dependencies]\n{needed}\n"
        )
    return "".join(made) + '[metadata]\nlock-version = "2.0"\n'


def npm(asked: tuple[str, ...] = (), **packages: str) -> str:
    held: dict[str, object] = {"": {"name": "app", "dependencies": dict.fromkeys(asked, "1")}}
    for name, version, needs in rows(packages):
        held[f"node_modules/{name}"] = {
            "version": version,
            "integrity": digest(name, version),
            "dependencies": dict.fromkeys(needs, "*"),
        }
    return json.dumps({"lockfileVersion": 3, "packages": held}, indent=1) + "\n"


def pnpm(**packages: str) -> str:
    made = ["lockfileVersion: '9.0'\n\npackages:\n"]
    after = ["\nsnapshots:\n"]
    versions = {name: version for name, version, _ in rows(packages)}
    for name, version, needs in rows(packages):
        made.append(f"\n  {name}@{version}:\n    resolution: {{integrity: {digest(name, version)}}}\n")
        listed = "".join(f"      {need}: {versions.get(need, '1.0')}\n" for need in needs)
        after.append(f"\n  {name}@{version}:\n" + (f"    dependencies:\n{listed}" if needs else ""))
    return "".join([*made, *after])


def yarn(**packages: str) -> str:
    made = ["# yarn lockfile v1\n"]
    for name, version, needs in rows(packages):
        listed = "".join(f'    {need} "^1"\n' for need in needs)
        made.append(f'\n\n{name}@^1:\n  version "{version}"\n  integrity {digest(name, version)}\n')
        made.append(f"  dependencies:\n{listed}" if needs else "")
    return "".join(made)


def gems(**packages: str) -> str:
    made = ["GEM\n  remote: https://index.example.org/\n  specs:\n"]
    for name, version, needs in rows(packages):
        made.append(f"    {name} ({version})\n")
        made += [f"      {need} (>= 1)\n" for need in needs]
    return "".join(made) + "\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n\nBUNDLED WITH\n   2.3.27\n"


def go_sum(**modules: str) -> str:
    return "".join(
        f"example.org/{name} {version} h1:{name}{version}=\nexample.org/{name} {version}/go.mod h1:m=\n"
        for name, version, _ in rows(modules)
    )
