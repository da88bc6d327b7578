import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowforge.cli.server import DEFAULT_URL, Server, check_address, client_file, find_server, keep_server
from flowforge.core.errors import Reason, Refused


def environment(home: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(home), **more}


def test_without_anything_the_server_is_this_machine_and_no_token_is_known(tmp_path: Path) -> None:
    found = find_server(environment(tmp_path))
    assert (found.url, found.token) == (DEFAULT_URL, "")


def test_what_is_kept_is_found_again_and_read_by_its_owner_only(tmp_path: Path) -> None:
    path = client_file(environment(tmp_path))
    keep_server(path, Server(url="https://ff.example.org", token="ff_secret"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert find_server(environment(tmp_path)) == Server(url="https://ff.example.org", token="ff_secret")
    assert [p.name for p in path.parent.iterdir()] == ["client.toml"]


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    keep_server(client_file(environment(tmp_path)), Server(url="https://a.example", token="ff_a"))
    found = find_server(environment(tmp_path, FLOWFORGE_URL="https://b.example/", FLOWFORGE_TOKEN="ff_b"))
    assert found == Server(url="https://b.example", token="ff_b")


def test_xdg_moves_the_file(tmp_path: Path) -> None:
    found = client_file(environment(tmp_path, XDG_CONFIG_HOME=str(tmp_path / "x")))
    assert found == tmp_path / "x" / "flowforge" / "client.toml"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_token_that_others_may_read_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, mode: int
) -> None:
    path = client_file(environment(tmp_path))
    keep_server(path, Server(url="https://a.example", token="ff_a"))
    path.chmod(mode)
    with pytest.raises(Refused) as caught:
        find_server(environment(tmp_path))
    assert caught.value.reason is Reason.CONFIGURATION
    assert caught.value.next_action == f"chmod 600 {path}"


@pytest.mark.parametrize("text", [b"url = ", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: bytes) -> None:
    path = client_file(environment(tmp_path))
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    path.chmod(0o600)
    with pytest.raises(Refused, match=str(path)):
        find_server(environment(tmp_path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_token_survives_being_kept(tmp_path: Path, token: str) -> None:
    path = tmp_path / "client.toml"
    keep_server(path, Server(url="https://a.example", token=token))
    assert find_server({"XDG_CONFIG_HOME": str(tmp_path.parent), "HOME": "/"}).url == DEFAULT_URL
    home = tmp_path / "home" / "flowforge"
    home.mkdir(parents=True, exist_ok=True)
    path.replace(home / "client.toml")
    assert find_server({"XDG_CONFIG_HOME": str(home.parent)}).token == token


def test_a_token_is_not_shown_by_repr() -> None:
    assert "hunter2" not in repr(Server(url="https://a", token="hunter2"))


@pytest.mark.parametrize(
    "url",
    ["ftp://x", "x.example", "http://", "https://u:hunter2@x", "https://x?a=b", "https://x#f", "file:///x"],
)
def test_what_is_no_address_is_refused_and_never_repeated(url: str) -> None:
    with pytest.raises(Refused) as caught:
        check_address(url)
    assert "hunter2" not in caught.value.sentence


def test_an_address_may_have_a_port_and_a_path() -> None:
    assert check_address(" http://[::1]:8080/flow/ ") == "http://[::1]:8080/flow"
