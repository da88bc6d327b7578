"""Secrets cut out of text in every form in which they leak."""

import base64
import itertools
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
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


@settings(deadline=None)
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


def wrapped(text: bytes, width: int, line_end: bytes) -> bytes:
    return line_end.join(text[at : at + width] for at in range(0, len(text), width))


LONG = "".join(f"{number:x}-long secret/+?" for number in range(12))  # over several lines, however it stands
WRAPPED_SECRETS = st.one_of(ANY_SECRET.filter(lambda text: len(text.strip().encode()) >= 9), st.just(LONG))


@st.composite
def wrapped_leak(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """Secrets in base64 at any place of a longer text, which is wrapped, amid other lines."""
    secrets = draw(st.lists(WRAPPED_SECRETS, min_size=1, max_size=2))
    parts = [draw(st.binary(max_size=9))]
    for _ in range(draw(st.integers(1, 3))):
        secret = draw(st.sampled_from(secrets))
        encode = draw(st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
        raw = draw(st.binary(max_size=90)) + secret.encode() + draw(st.binary(max_size=9))
        width, line_end = draw(st.sampled_from([64, 76, 16, 1000])), draw(st.sampled_from([b"\n", b"\r\n"]))
        parts += [draw(st.sampled_from([b"", b"\n", b"x: "])), wrapped(encode(raw), width, line_end)]
        parts.append(draw(st.sampled_from([b"", b"\n", b"\r\n\r\n", b" done\n"])))
    return secrets, b"".join(parts).replace(b"*", b"x")


def in_pieces(mask: Mask, text: bytes, cuts: list[int]) -> bytes:
    stream, edges = Stream(mask), [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return b"".join(stream.feed(text[a:b]) for a, b in itertools.pairwise(edges)) + stream.end()


@settings(deadline=None)
@given(leak=wrapped_leak(), cuts=st.lists(st.integers(0, 900), max_size=20))
def test_a_secret_in_wrapped_base64_survives_no_chunking(
    leak: tuple[list[str], bytes], cuts: list[int]
) -> None:
    secrets, text = leak
    mask = Mask(secrets)
    shown = in_pieces(mask, text, cuts)
    assert shown == mask.bytes(text), "in pieces as in one"
    joined = shown.translate(None, b"\r\n")
    assert [form for secret in secrets for form in forms(secret) if form in joined] == []


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("width", [64, 76])
@pytest.mark.parametrize("secret", ["hunter22hunter", "s3cr/et+v\u00e4l ue", LONG])
def test_wrapped_base64_is_masked_wherever_a_line_ends_in_it(
    secret: str, width: int, line_end: bytes
) -> None:
    """Every place at which the secret can begin in a line, and with it each of the three alignments."""
    mask, raw = Mask([secret]), secret.encode()
    for begin in range(width):
        text = wrapped(base64.b64encode(b"\0" * begin + raw + b"\0" * 5), width, line_end) + line_end
        shown = mask.bytes(text)
        assert in_pieces(mask, text, list(range(begin % 7, len(text), 7))) == shown
        zeros = shown.translate(None, line_end).replace(MASK, b"")
        edges = len(zeros.strip(b"A="))  # what is mixed of the secret's first or last bits and others
        assert (MASK in shown, edges <= 4) == (True, True), shown


def test_a_line_is_shown_whole_when_it_ends_whatever_secrets_begin_with_its_last_letters() -> None:
    """Only a line that could be wrapped base64 may go on in the next one."""
    line = b"12 tests passed in 3 s, started\n"
    for at in range(1, 4):
        begins = line.strip()[-at:].decode()
        for secret in (base64.b64decode(f"{begins:A<4}") + b"hunter22hunter", b"\0" + line.strip()[-at:] * 9):
            stream = Stream(Mask([secret.decode("latin-1")]))
            assert stream.feed(line) == line
    for letter in "abcdefghijklmnopqrstuvwxyz":
        stream = Stream(Mask([f"{letter}{LONG}" for LONG in ("hunter22hunter", "s3cret-t0ken-value")]))
        assert stream.feed(line) == line


def test_text_that_is_only_broken_up_like_a_secret_is_no_secret() -> None:
    """One character a line is no base64 that anybody wraps; what is kept back for it is bounded."""
    mask = Mask(["hunter22hunter"])
    text = b"\n".join(bytes([byte]) for byte in base64.b64encode(b"hunter22hunter"))
    assert mask.bytes(text) == text
    assert in_pieces(mask, text, list(range(len(text)))) == text


def test_a_stream_keeps_back_no_more_than_one_secret_can_take() -> None:
    mask = Mask([LONG, "hunter22hunter"])
    beginning = base64.b64encode(LONG.encode())[:60]
    for line_ends in (b"\n" * 100_000, b"\r\n" * 100_000):
        stream = Stream(mask)
        shown = stream.feed(beginning + line_ends)
        assert len(shown) == len(beginning + line_ends), "too many line ends for a secret"
        for _ in range(50):
            shown += stream.feed(wrapped(base64.b64encode(LONG.encode()), 76, b"\n")[:-1] + b"\n")
            assert len(stream._kept) <= mask.longest
    assert mask.longest <= 1.2 * max(map(len, forms(LONG)))


def test_overlapping_secrets_are_hidden_by_one_mask_and_neighbours_by_two() -> None:
    mask = Mask(["hunter22", "ter22xh"])
    for cuts in ([], [3], [8], [3, 5, 9]):
        assert in_pieces(mask, b"a hunter22xh b", cuts) == b"a *** b"
        assert in_pieces(mask, b"hunter22hunter22", cuts) == b"******"
        assert in_pieces(Mask(["aaaa"]), b"a" * 40 + b"b", cuts) == b"***b"
