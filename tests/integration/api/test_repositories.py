"""The repositories' routes against a real Postgres."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from flowforge.accounts.repositories import get_repository, read_login
from flowforge.core.access import Role
from flowforge.vault.envelope import Vault
from tests.integration.api.conftest import Api, PlainKeys
from tests.integration.api.test_jobs import refusal

pytestmark = pytest.mark.services

PATH = "/api/v1/repositories"
SHOP = {"name": "shop", "url": "https://git.example.org/shop.git", "default_branch": "main"}


def add(api: Api, **changes: object) -> UUID:
    answer = api.ask("POST", PATH, json={**SHOP, **changes})
    assert answer.status_code == 201, answer.text
    return UUID(answer.json["id"])


def test_a_repository_is_added_and_found(api: Api) -> None:
    answer = api.ask("POST", PATH, json=SHOP)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{PATH}/{answer.json['id']}"
    shown = api.get(answer.headers["location"]).json
    assert {name: shown[name] for name in SHOP} == SHOP
    assert (shown["is_active"], shown["has_credentials"]) == (True, False)


def test_credentials_go_in_sealed_and_never_come_out(api: Api) -> None:
    answer = api.ask("POST", PATH, json={**SHOP, "login": {"username": "bot", "secret": "hunter2"}})
    assert answer.json["has_credentials"] is True
    everything = answer.text + api.get(PATH).text + api.get(answer.headers["location"]).text
    assert "hunter2" not in everything
    with api.world.transaction() as tx:
        login = read_login(tx, UUID(answer.json["id"]), vault=Vault(PlainKeys()))
    assert login is not None
    assert (login.username, login.secret) == ("bot", "hunter2")


def test_a_login_that_is_not_possible_is_refused_without_repeating_it(api: Api) -> None:
    answer = api.ask("POST", PATH, json={**SHOP, "login": {"username": "bot", "secret": ["hunter2"]}})
    assert refusal(answer) == (422, "invalid_request")
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"url": "ext::sh -c id"}, "invalid_url"),
        ({"url": "https://user:hunter2@git.example.org/x"}, "invalid_url"),
        ({"url": "file:///etc"}, "invalid_url"),
        ({"url": "--upload-pack=x"}, "invalid_url"),
        ({"url": ""}, "invalid_request"),
        ({"name": "../x"}, "invalid_request"),
        ({"name": "x/"}, "invalid_request"),
        ({"owner": "me"}, "invalid_request"),
    ],
)
def test_a_repository_that_is_not_possible_is_refused(api: Api, changes: dict[str, str], reason: str) -> None:
    answer = api.ask("POST", PATH, json={**SHOP, **changes})
    assert refusal(answer) == (422, reason)
    assert "hunter2" not in answer.text


def test_a_name_is_taken_once_in_an_organization(api: Api) -> None:
    add(api)
    assert refusal(api.ask("POST", PATH, json=SHOP)) == (409, "conflict_of_state")


def test_a_list_goes_by_name_in_pages(api: Api) -> None:
    for name in ("c", "a", "b"):
        add(api, name=name)
    seen, path = [], f"{PATH}?limit=2"
    while path:
        page = api.get(path)
        seen += [repository["name"] for repository in page.json["repositories"]]
        path = page.headers["link"].split(">")[0].lstrip("<") if "link" in page.headers else ""
    assert seen == ["a", "b", "c", "repository"]
    assert [r["name"] for r in api.get(PATH, params={"name": "b"}).json["repositories"]] == ["b"]
    assert api.get(PATH, params={"name": "zz"}).json["repositories"] == []
    assert refusal(api.get(PATH, params={"cursor": "%%%"})) == (422, "invalid_request")


def test_a_change_touches_only_what_it_names(api: Api) -> None:
    shop = add(api, login={"secret": "s"})
    changed = api.ask("PATCH", f"{PATH}/{shop}", json={"default_branch": "trunk"})
    assert (changed.json["default_branch"], changed.json["name"]) == ("trunk", "shop")
    assert changed.json["has_credentials"] is True
    moved = api.ask("PATCH", f"{PATH}/{shop}", json={"url": "https://elsewhere.example.org/x.git"})
    assert moved.json["has_credentials"] is False


def test_a_removed_repository_takes_no_jobs_and_keeps_no_credentials(api: Api) -> None:
    shop = add(api, login={"secret": "s"})
    job = api.submitted(repository=str(shop))
    gone = api.ask("DELETE", f"{PATH}/{shop}")
    assert (gone.json["is_active"], gone.json["has_credentials"]) == (False, False)
    assert refusal(api.submit(repository=str(shop))) == (409, "conflict_of_state")
    assert api.get(f"/api/v1/jobs/{job}").status_code == 200
    assert api.ask("PATCH", f"{PATH}/{shop}", json={"is_active": True}).json["is_active"] is True


def test_only_a_maintainer_changes_repositories(api: Api) -> None:
    shop, user = add(api), api.acting(Role.USER)
    assert user.get(f"{PATH}/{shop}").status_code == 200
    for method, path, body in [
        ("POST", PATH, SHOP),
        ("PATCH", f"{PATH}/{shop}", {}),
        ("DELETE", f"{PATH}/{shop}", None),
    ]:
        assert refusal(user.ask(method, path, json=body)) == (403, "not_allowed")


def test_another_organizations_repository_is_unknown(api: Api) -> None:
    shop = add(api)
    stranger = api.elsewhere().acting(Role.ADMIN)
    for method, body in [("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)]:
        theirs = stranger.ask(method, f"{PATH}/{shop}", json=body)
        never = stranger.ask(method, f"{PATH}/{uuid4()}", json=body)
        assert refusal(theirs) == refusal(never) == (404, "not_found")
    assert refusal(stranger.submit(repository=str(shop))) == (404, "not_found")
    assert "shop" not in stranger.get(PATH).text


# --------------------------------------------------------------------------------------------------- its policy

POLICY: dict[str, Any] = {
    "format": "flowforge-policy",
    "version": 1,
    "made": "2026-11-23",
    "repository": {"head": "", "merges": 12, "files": 20},
    "k": 10.0,
    "half_life_days": 1095,
    "priors": {"measured": "2026-11-20", "left_out": []},
    "held_out": None,
    "rules": [
        {
            "rule": "structural/words apart",
            "kind": "source",
            "action": "act",
            "right": 41,
            "cases": 42,
            "weighed": {"right": 30.0, "cases": 31.0},
        }
    ],
}


def settings(api: Api, repository: UUID) -> Mapping[str, object]:
    with api.world.transaction() as tx:
        return get_repository(tx, repository).settings


def test_a_repository_holds_a_policy_until_it_is_taken_back(api: Api) -> None:
    path = f"{PATH}/{(repository := add(api))}"
    assert api.get(path).json["has_policy"] is False
    assert api.ask("PATCH", path, json={"policy": POLICY}).json["has_policy"] is True
    assert settings(api, repository) == {"policy": POLICY}
    assert api.ask("PATCH", path, json={"default_branch": "next"}).json["has_policy"] is True
    assert api.ask("PATCH", path, json={"forget_policy": True}).json["has_policy"] is False
    assert settings(api, repository) == {}


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {**POLICY, "version": 2},
        {**POLICY, "rules": [{**POLICY["rules"][0], "action": "always"}]},
        {**POLICY, "extra": "hunter2"},
    ],
)
def test_what_is_no_policy_is_refused_and_changes_nothing(api: Api, policy: Mapping[str, object]) -> None:
    repository = add(api)
    answer = api.ask("PATCH", f"{PATH}/{repository}", json={"policy": policy, "name": "other"})
    assert refusal(answer) == (422, "policy_invalid")
    assert "hunter2" not in answer.text
    assert api.get(f"{PATH}/{repository}").json["name"] == "shop"
    assert settings(api, repository) == {}
