from typing import Any

import pytest

from flowforge.core.errors import Broken, Reason, Refused
from flowforge.settings import Settings
from flowforge.wiring.urls import app_url, repository_check, system_url


def settings(**given: Any) -> Settings:
    return Settings(**given)


@pytest.mark.parametrize(("url_of", "name"), [(app_url, "APP"), (system_url, "SYSTEM")])
def test_without_a_database_the_setting_to_make_is_named(url_of: Any, name: str) -> None:
    with pytest.raises(Broken) as caught:
        url_of(settings())
    assert caught.value.reason is Reason.CONFIGURATION
    assert f"FLOWFORGE_DATABASE_{name}_URL" in caught.value.next_action


@pytest.mark.parametrize(("url_of", "role"), [(app_url, "app"), (system_url, "system")])
def test_each_role_is_used_as_given_and_derived_where_only_the_owner_is_known(url_of: Any, role: str) -> None:
    given = settings(
        **{f"database_{role}_url": f"postgresql://ff_{role}@h/d"}, database_url="postgresql://root:p@h/d"
    )
    assert url_of(given) == f"postgresql://ff_{role}@h/d"
    derived = url_of(settings(database_url="postgresql://root:p@h/d"))
    assert f"ff_{role}" in derived
    assert "root" not in derived


def test_protocols_are_those_of_the_settings() -> None:
    strict, loose = repository_check(settings()), repository_check(settings(git_protocols=("file",)))
    assert strict("https://git.example.org/a.git") == "https://git.example.org/a.git"
    assert loose("file:///srv/a.git") == "file:///srv/a.git"
    with pytest.raises(Refused, match="not accepted"):
        strict("file:///srv/a.git")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/a.git",
        "https://0x7f.1/a.git",
        "https://[::1]/a.git",
        "https://169.254.169.254/latest",
        "https://git.internal/a.git",
        "https://gitlab/a.git",
        "git@10.0.0.5:a.git",
    ],
)
def test_a_private_host_is_refused_unless_it_is_named(url: str) -> None:
    with pytest.raises(Refused) as caught:
        repository_check(settings())(url)
    assert caught.value.reason is Reason.INVALID_URL


def test_named_hosts_are_all_there_are() -> None:
    check = repository_check(settings(git_hosts=("gitlab", "Git.Example.org")))
    assert check("https://gitlab/a.git")
    assert check("https://git.example.org/a.git")
    with pytest.raises(Refused, match="may not be reached"):
        check("https://elsewhere.example.org/a.git")
