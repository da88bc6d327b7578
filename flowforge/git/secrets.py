"""What looks like a secret in a line of text. Pure; says the kind and the place, never the secret."""

import math
import re
from collections import Counter
from dataclasses import dataclass

_LONGEST = 4000  # characters of a line that are looked at
_NAMES = r"(?i:passw(?:or)?d|passphrase|secret|token|api[_-]?key|private[_-]?key|credential)"
_RANDOM = 3.4  # bits a character from which a quoted value looks made by a machine
_PLACEHOLDER = re.compile(
    r"example|xxxx|\*\*\*|0{8}|1234567|changeme|change_me|placeholder|your[-_ ]|dummy|redacted|<[a-z]|\$\{|\{\{|%\(",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One kind of secret. A group named `value` is what must look random, where the shape alone is not enough."""

    rule: str
    name: str
    pattern: str


SHAPES = tuple(
    Shape(rule=rule, name=name, pattern=pattern)
    for rule, name, pattern in (
        ("private-key", "a private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
        ("putty-key", "a PuTTY private key", r"PuTTY-User-Key-File-[23]:"),
        ("aws-key-id", "an AWS access key id", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
        (
            "aws-secret",
            "an AWS secret key",
            r"(?i:aws.{0,24}(?:secret|key).{0,12})[=:\s'\"]+(?P<value_aws>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        ),
        ("github-token", "a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})"),
        ("gitlab-token", "a GitLab token", r"\bgl(?:pat|ptt|dt|rt|cbt|soat|ft)-[A-Za-z0-9_-]{20,}"),
        ("slack-token", "a Slack token", r"\bxox[abeoprs]-(?:[0-9A-Za-z]{6,}-?){2,}"),
        (
            "slack-hook",
            "a Slack webhook",
            r"hooks\.slack\.com/(?:services|workflows)/[A-Z0-9]+/[A-Z0-9]+/\w{16,}",
        ),
        ("discord-hook", "a Discord webhook", r"discord(?:app)?\.com/api/webhooks/\d{10,}/[\w-]{40,}"),
        ("google-key", "a Google API key", r"\bAIza[0-9A-Za-z_-]{35}\b"),
        ("google-oauth", "a Google OAuth secret", r"\bGOCSPX-[0-9A-Za-z_-]{24,}|\bya29\.[0-9A-Za-z_-]{30,}"),
        ("stripe-key", "a Stripe key", r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{20,}|\bwhsec_[0-9A-Za-z]{24,}"),
        ("anthropic-key", "an Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{24,}"),
        ("openai-key", "an OpenAI key", r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{40,}"),
        ("npm-token", "an npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("pypi-token", "a PyPI token", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
        ("sendgrid-key", "a SendGrid key", r"\bSG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{40,}"),
        ("twilio-key", "a Twilio key", r"(?i:twilio.{0,24})\b(?:SK|AC)[0-9a-f]{32}\b"),
        ("digitalocean-token", "a DigitalOcean token", r"\bdo[opr]_v1_[0-9a-f]{64}\b"),
        ("huggingface-token", "a Hugging Face token", r"\bhf_[A-Za-z]{34,}\b"),
        ("databricks-token", "a Databricks token", r"\bdapi[0-9a-f]{32}\b"),
        ("azure-storage", "an Azure storage key", r"AccountKey=[A-Za-z0-9+/]{80,}={0,2}"),
        ("telegram-token", "a Telegram bot token", r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b"),
        ("jwt", "a JSON web token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
        (
            "url-password",
            "a password inside a url",
            r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{1,64}:(?P<value_url>[^\s/@'\"$]{6,128})@[\w.-]+",
        ),
        (
            "assigned-secret",
            "a secret in an assignment",
            _NAMES + r"[\w\"'\]-]{0,24}\s*(?::=|=>|=|:)\s*[rbuf]?[\"'](?P<value_set>[^\"'\s]{12,200})[\"']",
        ),
    )
)
_ANY = re.compile("|".join(f"(?P<r{number}>{shape.pattern})" for number, shape in enumerate(SHAPES)))


def find_secret(line: str) -> Shape | None:
    """The shape of the first secret in `line`, if there is one; placeholders of examples are let through."""
    for found in _ANY.finditer(line[:_LONGEST]):
        shape = next(shape for number, shape in enumerate(SHAPES) if found[f"r{number}"] is not None)
        if not _PLACEHOLDER.search(found[0]) and _looks_random(found, shape):
            return shape
    return None


def _looks_random(found: re.Match[str], shape: Shape) -> bool:
    value = next(
        (text for name, text in found.groupdict().items() if name.startswith("value") and text), None
    )
    if value is None or shape.rule == "url-password":
        return True
    kinds = sum(any(test(c) for c in value) for test in (str.islower, str.isupper, str.isdigit))
    return entropy(value) >= _RANDOM and kinds > 1


def entropy(text: str) -> float:
    """Shannon entropy, bits a character."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values()) if text else 0.0
