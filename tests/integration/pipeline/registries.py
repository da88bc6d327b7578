"""Small registries on loopback, for package managers that can lock nothing without one. Packages are made here."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from tests.integration.pipeline.lockyard import wheel

Pages = Mapping[str, tuple[str, bytes]]  # path -> type, text
Packages = Sequence[tuple[str, str, Sequence[str]]]  # name, version, what it needs


@contextmanager
def served(pages: Pages) -> Iterator[str]:
    """Answer with these pages; the address without a path. "{here}" in a page is that address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, text = pages.get(unquote(self.path), ("", b""))
            body = text.replace(b"{here}", address.encode()) if not kind.endswith("octet-stream") else text
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind or "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            kind, text = pages.get(unquote(self.path), ("", b""))
            self.send_response(200 if kind else 404)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def python_index(*packages: tuple[str, str, Sequence[str]]) -> Pages:
    """The simple pages below /simple, and the wheels."""
    pages: dict[str, tuple[str, bytes]] = {}
    links: dict[str, list[str]] = {}
    for name, version, needs in packages:
        file, text = f"{name}-{version}-py3-none-any.whl", wheel(name, version, *needs)
        pages[f"/files/{file}"] = "application/octet-stream", text
        digest = hashlib.sha256(text).hexdigest()
        links.setdefault(name, []).append(f'<a href="/files/{file}#sha256={digest}">{file}</a>')
    for name, rows in links.items():
        pages[f"/simple/{name}/"] = "text/html", "\n".join(["<!DOCTYPE html><html><body>", *rows]).encode()
    return pages


def npm_registry(*packages: tuple[str, str, Sequence[str]]) -> Pages:
    """Each package's document and its tarballs."""
    pages: dict[str, tuple[str, bytes]] = {}
    documents: dict[str, dict[str, object]] = {}
    for name, version, needs in packages:
        package = {"name": name, "version": version, "dependencies": dict.fromkeys(needs, "^1.0.0")}
        text = _tarball({"package/package.json": json.dumps(package).encode()})
        place = f"/{name}/-/{name}-{version}.tgz"
        pages[place] = "application/octet-stream", text
        dist = {
            "tarball": f"{{here}}{place}",
            "shasum": hashlib.sha1(text, usedforsecurity=False).hexdigest(),
            "integrity": "sha512-" + b64encode(hashlib.sha512(text).digest()).decode(),
        }
        documents.setdefault(name, {})[version] = {**package, "dist": dist}
    for name, versions in documents.items():
        document = {"name": name, "dist-tags": {"latest": max(versions)}, "versions": versions}
        document["time"] = dict.fromkeys(versions, "2024-01-01T00:00:00.000Z")
        pages[f"/{name}"] = "application/json", json.dumps(document).encode()
    return pages


def gem_index(*packages: tuple[str, str, Sequence[str]]) -> Pages:
    """The compact index of gems: a list of all, and a page for each."""
    infos: dict[str, list[str]] = {}
    for name, version, needs in packages:
        needed = ",".join(f"{need}:>= 0" for need in needs)
        digest = hashlib.sha256(f"{name}{version}".encode()).hexdigest()
        infos.setdefault(name, []).append(f"{version} {needed}|checksum:{digest}")
    pages: dict[str, tuple[str, bytes]] = {}
    rows = []
    for name, lines in infos.items():
        text = "".join(["---\n", *(f"{line}\n" for line in lines)]).encode()
        pages[f"/info/{name}"] = "text/plain", text
        versions = ",".join(line.split()[0] for line in lines)
        rows.append(f"{name} {versions} {hashlib.md5(text, usedforsecurity=False).hexdigest()}\n")
    pages["/versions"] = "text/plain", ("created_at: 2024-01-01T00:00:00Z\n---\n" + "".join(rows)).encode()
    pages["/names"] = "text/plain", ("---\n" + "".join(f"{name}\n" for name in infos)).encode()
    return pages


def composer_packages(*packages: tuple[str, str, Sequence[str]]) -> bytes:
    """The `packages.json` of a repository in a folder."""
    found: dict[str, dict[str, object]] = {}
    for name, version, needs in packages:
        digest = hashlib.sha1(f"{name}{version}".encode(), usedforsecurity=False).hexdigest()
        found.setdefault(name, {})[version] = {
            "name": name,
            "version": version,
            "dist": {"type": "zip", "url": f"https://files.example.org/{digest}.zip", "reference": digest},
            "require": dict.fromkeys(needs, "*"),
        }
    return json.dumps({"packages": found}).encode()


def _tarball(files: Mapping[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, text in files.items():
            row = tarfile.TarInfo(name)
            row.size = len(text)
            archive.addfile(row, io.BytesIO(text))
    return gzip.compress(held.getvalue(), mtime=0)
