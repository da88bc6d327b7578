"""Secrets cut out of text in every form in which they leak."""

import base64
import itertools
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flowforge.core.masking import MASK, Mask, Stream, forms

SECRETS = ("s3cr/et+v\u00e4l ue", "ghp_0123456789abcdefghij", 'quo"te\\d')


LEAKS: dict[str, Callable[[str], str]] = {
    "as it is": lambda secret: secret,
    "in a path": lambda secret: quote(secret, safe=""),
    "in a url": quote,
    "in a form": quote_plus,
    "in lower case escapes": lambda secret: re.sub(
        "%..", lambda code: code[0].lower(), quote(secret, safe="")
    ),
    "in JSON": lambda secret: json.dumps({"token": secret}),
    "in JSON without escapes": lambda secret: json.dumps({"token": secret}, ensure_ascii=False),
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", list(LEAKS))
def test_a_form_of_a_secret_is_masked(secret: str, form: str) -> None:
    text = LEAKS[form](secret).encode()
    masked = Mask([secret]).bytes(b"before " + text + b" after")
    assert MASK in masked
    assert masked.startswith(b"before ")
    assert masked.endswith(b" after")
    assert not any(form in masked for form in forms(secret))


@given(before=st.binary(max_size=7), after=st.binary(max_size=7), secret=st.sampled_from(SECRETS))
def test_base64_is_masked_at_every_offset(before: bytes, after: bytes, secret: str) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(before + secret.encode() + after)
        masked = Mask([secret]).bytes(text)
        assert MASK in masked
        assert len(masked) - len(MASK) <= len(encode(before + after)) + 4, "all but the edges is gone"


def test_a_private_key_is_masked_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA0123456789\nabcdefghijklmnopqrstuvwxyz\n-----END KEY-----\n"
    assert b"MIIE" not in Mask([key]).bytes(b"  > MIIEpAIBAAKCAQEA0123456789\r\n")


def test_the_longest_of_overlapping_secrets_is_cut_whole() -> None:
    assert Mask(["pass", "password1"]).bytes(b"password1 pass") == b"*** ***"


@pytest.mark.parametrize("secret", ["", "a", "abc", "  \n "])
def test_a_value_too_short_to_be_a_secret_masks_nothing(secret: str) -> None:
    mask = Mask([secret])
    assert mask.bytes(b"abc a") == b"abc a"
    assert Stream(mask).feed(b"abc") == b"abc"


def test_text_inside_values_is_masked() -> None:
    mask = Mask(["hunter22"])
    value = {"a": ["hunter22", 1, None], "hunter22": ("x hunter22",), "b": b"hunter22"}
    assert mask.value(value) == {"a": ["***", 1, None], "***": ["x ***"], "b": b"***"}


def test_text_that_is_no_utf8_stays_as_it_is() -> None:
    assert Mask(["hunter22"]).text("\udcff hunter22") == "\udcff ***"


@given(
    parts=st.lists(st.sampled_from([b"hun", b"ter22", b"hunter22", b"xh", b" ", b"hunter2"]), max_size=12),
    cuts=st.lists(st.integers(min_value=0, max_value=80), max_size=8),
)
def test_a_stream_shows_what_the_whole_text_would_show(parts: list[bytes], cuts: list[int]) -> None:
    mask = Mask(["hunter22", "ter22xh"])
    text = b"".join(parts)
    stream = Stream(mask)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    shown = b"".join(stream.feed(text[a:b]) for a, b in itertools.pairwise(edges))
    assert shown + stream.end() == mask.bytes(text)


def test_a_stream_keeps_back_only_what_may_be_a_secret() -> None:
    stream = Stream(Mask(["hunter22"]))
    assert stream.feed(b"building... ") == b"building... "
    assert stream.feed(b"token hunt") == b"token "
    assert stream.feed(b"ing") == b"hunting"
    assert stream.feed(b"hunter22") == MASK
    assert stream.end() == b""


LETTERS = st.characters(codec="utf-8", exclude_characters="*\r\n", exclude_categories=("Cs",))
ANY_SECRET = st.text(LETTERS, min_size=4, max_size=40).filter(lambda text: len(text.strip()) >= 4)


@st.composite
def leaking(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """Some secrets, and output in which they stand in every form among other text."""
    secrets = draw(st.lists(ANY_SECRET, min_size=1, max_size=3))
    around = st.binary(max_size=5).map(lambda text: text.replace(b"*", b"x"))
    parts = [draw(around)]
    for _ in range(draw(st.integers(1, 6))):
        secret = draw(st.sampled_from(secrets))
        form = draw(st.sampled_from([*LEAKS, "in base64", "in url-safe base64"]))
        if form in LEAKS:
            parts.append(LEAKS[form](secret).encode())
        else:
            encode = base64.b64encode if form == "in base64" else base64.urlsafe_b64encode
            parts.append(encode(draw(around) + secret.encode() + draw(around)))
        parts.append(draw(around))
    return secrets, b"".join(parts)


@given(leak=leaking(), cuts=st.lists(st.integers(0, 600), max_size=20))
def test_no_form_of_a_secret_survives_any_chunking(leak: tuple[list[str], bytes], cuts: list[int]) -> None:
    secrets, text = leak
    mask = Mask(secrets)
    stream = Stream(mask)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    shown = b"".join(stream.feed(text[a:b]) for a, b in itertools.pairwise(edges)) + stream.end()
    assert shown == mask.bytes(text), "in pieces as in one"
    survivors = [form for secret in secrets for form in forms(secret) if form in shown]
    assert survivors == []


@given(secret=ANY_SECRET, text=st.text(LETTERS, max_size=60), cuts=st.lists(st.integers(0, 200), max_size=9))
def test_a_text_without_secrets_is_shown_as_it_is(secret: str, text: str, cuts: list[int]) -> None:
    data = text.encode()
    assume(not any(form in data for form in forms(secret)))
    stream = Stream(Mask([secret]))
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert b"".join(stream.feed(data[a:b]) for a, b in itertools.pairwise(edges)) + stream.end() == data
