"""Secrets in whole texts: plain, in blocks, encoded, put together from parts; and the text that is left without them."""

import base64
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowforge.git.hiding import Hider, secrets_in
from tests.unit.git.test_secrets import SAMPLES

TOKEN = SAMPLES["github-token"]
KEY = "\n".join(
    [
        "-----BEGIN EC " + "PRIVATE KEY-----",
        "MHcCAQEEIB" + "x" * 54,
        "oUQDQgAE" + "y" * 30,
        "-----END EC " + "PRIVATE KEY-----",
    ]
)


def hidden(text: str) -> str:
    return Hider()(text)


@pytest.mark.parametrize("rule", list(SAMPLES))
def test_every_shape_is_taken_out_of_a_text(rule: str) -> None:
    text = f"before\nx = 1  # {SAMPLES[rule]} !\nafter\n"
    shown = hidden(text)
    (found, *_) = secrets_in(text)
    assert text[found.start : found.end] not in shown
    assert "[redacted: " in shown
    assert shown.startswith("before\n")
    assert shown.endswith("\nafter\n")


@pytest.mark.parametrize("rule", [r for r in SAMPLES if r not in {"private-key", "putty-key"}])
def test_every_shape_is_found_in_base64(rule: str) -> None:
    whole = base64.b64encode(f"user:{SAMPLES[rule]}\n".encode()).decode()
    assert whole not in hidden(f"auth: {whole}\n")
    assert secrets_in(base64.urlsafe_b64encode(SAMPLES[rule].encode()).decode())


@pytest.mark.parametrize("rule", [r for r in SAMPLES if quote(SAMPLES[r], safe="") != SAMPLES[r]])
def test_a_percent_encoded_secret_is_found(rule: str) -> None:
    said = quote(SAMPLES[rule], safe="")
    assert said not in hidden(f"GET /?q={said}&page=2\n"), said


def test_base64_that_is_wrapped_into_lines_is_found_whole() -> None:
    whole = base64.encodebytes(f"machine example.org\n  password {TOKEN} {TOKEN}\n".encode()).decode()
    assert whole.count("\n") > 1
    assert hidden(f"data: |\n{whole}end\n") == "data: |\n[redacted: GitHub token]\nend\n"


def test_a_private_key_goes_with_all_its_lines() -> None:
    assert hidden(f"a\n{KEY}\nb\n") == "a\n[redacted: private key]\nb\n"
    diff = "".join(f"+{line}\n" for line in KEY.split("\n"))
    assert hidden(f" a\n{diff} b\n") == " a\n+[redacted: private key]\n b\n"


def test_a_private_key_without_an_end_is_taken_out_to_the_end() -> None:
    assert hidden(f"a\n{KEY[:116]}") == "a\n[redacted: private key]"
    assert hidden(f"a\n{KEY[:92]}\nb\n") == "a\n[redacted: private key]\nb\n"


PUTTY = "\n".join(
    [
        "PuTTY-User-Key-" + "File-3: ssh-ed25519",
        "Encryption: none",
        "Public-Lines: 1",
        "AAAAC3Nz" + "u" * 40,
        "Private-Lines: 2",
        "AAAAIJ" + "v" * 58,
        "w" * 20,
        "Private-MAC: " + "9c8b7a6d",
    ]
)


def test_a_putty_key_goes_with_all_its_lines() -> None:
    assert hidden(f"a\n{PUTTY}\nb\n") == "a\n[redacted: PuTTY private key]\nb\n"
    diff = "".join(f"+{line}\n" for line in PUTTY.split("\n"))
    assert hidden(f" a\n{diff} b\n") == " a\n+[redacted: PuTTY private key]\n b\n"


def test_a_putty_key_without_an_end_is_taken_out_to_the_end() -> None:
    begun = PUTTY.rpartition("\n")[0]
    assert hidden(f"a\n{begun}\nb\n") == "a\n[redacted: PuTTY private key]\nb\n"
    assert hidden(f"a\n{begun[:150]}") == "a\n[redacted: PuTTY private key]"


@pytest.mark.parametrize(
    "joint",
    [
        '" + "',
        '" "',
        "' +\n    '",
        '"\n      "',
        '" \\\n  "',
        '" . "',
        "\\\n",
        '"\n+    "',
        '" +\n+    "',
        "' 'b",
    ],
)
def test_a_secret_in_parts_is_found(joint: str) -> None:
    joint = joint.removesuffix("b")
    text = f'key = "{TOKEN[:12]}{joint}{TOKEN[12:]}"\n'
    shown = hidden(text)
    assert TOKEN[:12] not in shown
    assert TOKEN[12:] not in shown


def test_of_an_assignment_only_the_value_is_taken_out() -> None:
    assert hidden(SAMPLES["assigned-secret"]) == 'client_secret = "[redacted: secret in an assignment]"'
    assert (
        hidden(SAMPLES["url-password"]) == "postgres://app:[redacted: password inside a url]@db.internal/app"
    )


def test_one_secret_has_one_mark_and_another_has_another() -> None:
    hide = Hider()
    other = TOKEN[:-4] + "wxyz"
    assert hide(f"{TOKEN} {other} {TOKEN}") == (
        "[redacted: GitHub token] [redacted: GitHub token 2] [redacted: GitHub token]"
    )
    assert hide(f"again {other}") == "again [redacted: GitHub token 2]"
    assert hide.kinds == ("a GitHub token",)


def test_two_secrets_on_one_line_are_both_taken_out() -> None:
    line = f"{TOKEN};{SAMPLES['stripe-key']}"
    assert hidden(line) == "[redacted: GitHub token];[redacted: Stripe key]"


def test_a_secret_far_into_a_long_line_is_found_wherever_it_stands() -> None:
    for at in (0, 2900, 3000, 3590, 3600, 5990, 20_000):
        text = "x " * (at // 2) + TOKEN + " y" * 2000
        assert TOKEN not in hidden(text), at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "def f():\n    return 1\n",
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "path = '/usr/local/share/applications/something/long'\n",
        "GET /search?q=caf%C3%A9%20au%20lait\n",
        base64.b64encode(b"nothing but honest words in here, and some more").decode(),
    ],
)
def test_honest_text_stays_as_it_is(text: str) -> None:
    assert hidden(text) == text
    assert secrets_in(text) == ()


@given(st.text(max_size=300), st.sampled_from(sorted(SAMPLES)), st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_places_are_in_order_and_do_not_overlap(before: str, rule: str, after: str) -> None:
    text = f"{before}\n{SAMPLES[rule]}\n{after}"
    found = secrets_in(text)
    assert found
    assert all(one.end <= two.start for one, two in pairwise(found))
    assert all(0 <= one.start < one.end <= len(text) for one in found)


@pytest.mark.parametrize(
    "text",
    ["'" * 500_000, "A" * 600_000, "%41" * 200_000, "-----BEGIN PRIVATE KEY-----" * 500, "\\\n" * 300_000],
    ids=["quotes", "letters", "percent", "beginnings", "line ends"],
)
def test_hostile_text_comes_to_an_end(text: str) -> None:
    """A search that grew with the square of the length would not."""
    assert len(secrets_in(text)) < len(text)
