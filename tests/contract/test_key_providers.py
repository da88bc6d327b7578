"""What every key provider must do; `local` is the one that ships."""

import base64
import stat
import threading
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, Reason
from flowforge.hooks.manager import discover, load_plugins, resolve_load
from flowforge_plugins.keys import local
from flowforge_plugins.keys.local_key import LocalKey, open_key


def opened(tmp_path: Path) -> LocalKey:
    return open_key({"file": str(tmp_path / "keys" / "master")})


def test_a_wrapped_key_opens_in_its_context_only(tmp_path: Path) -> None:
    provider = opened(tmp_path)
    wrapped = provider.wrap(b"d" * 32, b"here")
    assert provider.unwrap(wrapped, b"here") == b"d" * 32
    for bad, context in ((wrapped, b"there"), (wrapped[:-1], b"here"), (b"", b"here")):
        with pytest.raises(Broken) as caught:
            provider.unwrap(bad, context)
        assert caught.value.reason is Reason.CONFIGURATION


def test_the_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    wrapped = opened(tmp_path).wrap(b"d" * 32, b"")
    file = tmp_path / "keys" / "master"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert opened(tmp_path).unwrap(wrapped, b"") == b"d" * 32
    assert [path.name for path in file.parent.iterdir()] == ["master"]


def test_processes_that_start_at_once_have_the_same_key(tmp_path: Path) -> None:
    providers: list[LocalKey] = []
    threads = [threading.Thread(target=lambda: providers.append(opened(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wrapped = providers[0].wrap(b"d" * 32, b"")
    assert all(provider.unwrap(wrapped, b"") == b"d" * 32 for provider in providers)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / "keys" / "master").chmod(0o640)
    with pytest.raises(Broken, match="can be read by others"):
        opened(tmp_path)


@pytest.mark.parametrize("text", ["", "short", "!" * 44, base64.b64encode(b"x" * 31).decode(), "\u00e4"])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "master"
    file.touch(mode=0o600)
    file.write_text(text)
    with pytest.raises(Broken) as caught:
        open_key({"file": str(file)})
    assert caught.value.reason is Reason.CONFIGURATION


def test_a_key_in_the_settings_wins(tmp_path: Path) -> None:
    open_key({"key": base64.b64encode(b"k" * 32).decode(), "file": str(tmp_path / "none")})
    assert not (tmp_path / "none").exists()
    with pytest.raises(Broken, match="no master key"):
        open_key({})


def test_it_enters_by_entry_point() -> None:
    assert load_plugins(discover()).keys["local"].load == local.register_key_providers()[0].load
    assert resolve_load(local.register_key_providers()[0].load) is open_key
