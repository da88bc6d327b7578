"""Shapes of secrets. The samples are put together here, so that no file holds one whole."""

import pytest

from flowforge.git.secrets import SHAPES, entropy, find_secret

_ALNUM = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF6hI9kL3nO5qR8tU1wX4zA7cD0fG2iJ5l"
_HEX = "9c8b7a6d5e4f3210fedcba98a1c3e5b7"
_UPPER = "Q3R5T7W2E4Y6U7I2O3P5A7S2"

SAMPLES = {
    "private-key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "putty-key": "PuTTY-User-Key-" + "File-2: ssh-rsa",
    "aws-key-id": "AKIA" + _UPPER[:16],
    "aws-secret": "aws_secret_access_key = " + _ALNUM[:40],
    "github-token": "ghp_" + _ALNUM[:36],
    "gitlab-token": "glpat-" + _ALNUM[:20],
    "slack-token": "xoxb-" + "283746592837-" + _ALNUM[:24],
    "slack-hook": "https://hooks.slack.com/services/" + "T0ABCDEF/B0ABCDEF/" + _ALNUM[:24],
    "discord-hook": "https://discord.com/api/webhooks/" + "98237465982734/" + _ALNUM[:60],
    "google-key": "AIza" + _ALNUM[:35],
    "google-oauth": "GOCSPX-" + _ALNUM[:28],
    "stripe-key": "sk_live_" + _ALNUM[:24],
    "anthropic-key": "sk-ant-" + "api03-" + _ALNUM[:40],
    "openai-key": "sk-" + _ALNUM[:48],
    "npm-token": "npm_" + _ALNUM[:36],
    "pypi-token": "pypi-AgE" + _ALNUM[:60],
    "sendgrid-key": "SG." + _ALNUM[:22] + "." + _ALNUM[:43],
    "twilio-key": "twilio sid SK" + _HEX,
    "digitalocean-token": "dop_v1_" + _HEX + _HEX,
    "huggingface-token": "hf_" + "abcdEFGHijklMNOPqrstUVWXyzabCDEFgh",
    "databricks-token": "dapi" + _HEX,
    "azure-storage": "AccountKey=" + (_ALNUM + _ALNUM)[:86] + "==",
    "telegram-token": "928374659:AA" + (_ALNUM + "x")[:33],
    "jwt": "eyJ" + _ALNUM[:20] + ".eyJ" + _ALNUM[:30] + "." + _ALNUM[:43],
    "url-password": "postgres://app:" + "hunter2hunter2" + "@db.internal/app",
    "assigned-secret": 'client_secret = "' + _ALNUM[:32] + '"',
}


def test_every_shape_has_a_sample() -> None:
    assert set(SAMPLES) == {shape.rule for shape in SHAPES}


@pytest.mark.parametrize("rule", list(SAMPLES))
def test_a_secret_is_known_by_its_shape(rule: str) -> None:
    for line in (SAMPLES[rule], f'  "value": "{SAMPLES[rule]}",', f"x {SAMPLES[rule]} y"):
        shape = find_secret(line)
        assert shape is not None, line
    first = find_secret(SAMPLES[rule])
    assert first is not None
    assert first.rule == rule


@pytest.mark.parametrize(
    "line",
    [
        "",
        'password = "changeme-please"',
        'password = os.environ["PASSWORD"]',
        'token = "${SECRET_TOKEN_VALUE}"',
        'secret_name = "database-credentials"',
        "https://user@example.org/path",
        "postgres://user:password-example@localhost/x",
        'api_key: "your-api-key-goes-here"',
        "commit 0123456789abcdef0123456789abcdef01234567",
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "class SecretTokenValidatorFactory:",
        "AKIA is how such a key begins",
    ],
)
def test_an_honest_line_is_let_through(line: str) -> None:
    assert find_secret(line) is None


def test_a_very_long_line_is_looked_at_only_in_part() -> None:
    assert find_secret("x" * 1_000_000 + SAMPLES["github-token"]) is None


def test_entropy_is_in_bits_a_character() -> None:
    assert entropy("") == 0.0
    assert entropy("aaaa") == 0.0
    assert entropy("abcd") == 2.0
