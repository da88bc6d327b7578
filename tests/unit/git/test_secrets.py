"""Shapes of secrets. The samples are put together here, so that no file holds one whole."""

import pytest

from flowforge.git.secrets import SHAPES, Shape, entropy, find_secret, likely

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
    "age-key": "AGE-SECRET-" + "KEY-1" + (_UPPER + _UPPER)[:48],
    "airtable-token": "pat" + _ALNUM[:14] + "." + _HEX + _HEX,
    "artifactory-key": "AKC" + "p8jR4tWq2N" + _ALNUM[:60],
    "atlassian-token": "ATATT3" + "xFfGF0" + _ALNUM + _ALNUM[:20],
    "azure-secret": "Zk9" + "8Q~" + _ALNUM[:34],
    "buildkite-token": "bkua" + "_" + (_HEX + _HEX)[:40],
    "circleci-token": "CCIPAT" + "_" + _ALNUM[:22] + "_" + (_HEX + _HEX)[:40],
    "cloudflare-ca": "v1.0" + "-" + _HEX[:24] + "-" + _HEX * 4,
    "docker-token": "dckr" + "_pat_" + _ALNUM[:27],
    "doppler-token": "dp." + "pt." + _ALNUM[:43],
    "dropbox-token": "sl." + _ALNUM + _ALNUM,
    "figma-token": "figd" + "_" + _ALNUM[:43],
    "fly-token": "fo1" + "_" + _ALNUM[:43],
    "grafana-token": "glsa" + "_" + _ALNUM[:32] + "_" + _HEX[:8],
    "groq-key": "gsk" + "_" + _ALNUM[:52],
    "heroku-key": "HRKU" + "-" + _ALNUM[:40],
    "linear-key": "lin" + "_api_" + _ALNUM[:40],
    "mailchimp-key": _HEX + "-" + "us14",
    "mailgun-key": "key" + "-" + _HEX,
    "netlify-token": "nfp" + "_" + _ALNUM[:36],
    "newrelic-key": "NRAK" + "-" + (_UPPER + _UPPER)[:27],
    "notion-token": "ntn" + "_" + _ALNUM[:46],
    "planetscale-token": "pscale" + "_tkn_" + _ALNUM[:43],
    "postman-key": "PMAK" + "-" + _HEX[:24] + "-" + (_HEX + _HEX)[:34],
    "pulumi-token": "pul" + "-" + (_HEX + _HEX)[:40],
    "replicate-token": "r8" + "_" + _ALNUM[:37],
    "rubygems-key": "rubygems" + "_" + (_HEX + _HEX)[:48],
    "sentry-token": "sntrys" + "_" + (_ALNUM + _ALNUM)[:70],
    "shopify-token": "shpat" + "_" + _HEX,
    "square-token": "sq0" + "atp-" + _ALNUM[:22],
    "supabase-key": "sbp" + "_" + (_HEX + _HEX)[:40],
    "tailscale-key": "tskey" + "-auth-" + _ALNUM[:30],
    "terraform-token": _ALNUM[:14] + ".atlas" + "v1." + (_ALNUM + _ALNUM)[:67],
    "vault-token": "hvs" + "." + _ALNUM[:28],
    "xai-key": "xai" + "-" + (_ALNUM + _ALNUM)[:80],
    "jwt": "eyJ" + _ALNUM[:20] + ".eyJ" + _ALNUM[:30] + "." + _ALNUM[:43],
    "url-password": "postgres://app:" + "hunter2hunter2" + "@db.internal/app",
    "assigned-secret": 'client_secret = "' + _ALNUM[:32] + '"',
}


def test_every_shape_has_a_sample() -> None:
    assert set(SAMPLES) == {shape.rule for shape in SHAPES}
    assert len(SAMPLES) >= 60


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.rule)
def test_a_shape_is_never_without_its_hint(shape: Shape) -> None:
    """What is not looked for because no hint stands there must not be there."""
    assert any(hint in SAMPLES[shape.rule].lower() for hint in shape.hints)
    assert all(hint == hint.lower() for hint in shape.hints)
    assert shape in likely(SAMPLES[shape.rule].upper())


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
