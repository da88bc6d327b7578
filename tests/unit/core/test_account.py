"""What is known of a model's answer, as it is kept."""

from flowforge.core.account import NO_ACCOUNT, Account


def test_nothing_is_kept_of_nothing() -> None:
    assert NO_ACCOUNT.empty
    assert NO_ACCOUNT.to_json() == {}


def test_what_is_kept_comes_back_from_json() -> None:
    account = Account(model="m", kept=("a", "b"), findings=("f",), agreement="2 of 2", review="accept: x")
    stored = {
        name: list(value) if isinstance(value, tuple) else value for name, value in account.to_json().items()
    }
    assert Account.from_json(stored) == account
    assert not account.empty


def test_what_a_newer_version_added_is_left() -> None:
    assert Account.from_json({"model": "m", "mood": "good"}) == Account(model="m")
