"""Secrets on lines that no side had. The finding says which kind and where, never the secret itself."""

import math
import re
from collections import Counter
from collections.abc import Iterator

from flowforge.plugin import CheckedFile, Finding, Level, split_lines

_KINDS = tuple(
    (re.compile(pattern.encode()), kind)
    for pattern, kind in (
        (r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----", "a private key"),
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", "an AWS access key"),
        (r"\bgh[pousr]_[A-Za-z0-9]{36,}\b", "a GitHub token"),
        (r"\bgithub_pat_[A-Za-z0-9_]{50,}\b", "a GitHub token"),
        (r"\bglpat-[A-Za-z0-9_-]{20,}", "a GitLab token"),
        (r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}", "a Slack token"),
        (r"\bsk-ant-[A-Za-z0-9_-]{20,}", "an Anthropic key"),
        (r"\bsk-(?:proj-)?[A-Za-z0-9_-]{32,}", "an API key"),
        (r"\b[rs]k_live_[A-Za-z0-9]{20,}", "a Stripe key"),
        (r"\bAIza[0-9A-Za-z_-]{35}\b", "a Google API key"),
        (r"\bya29\.[0-9A-Za-z_-]{20,}", "a Google access token"),
        (r"\bnpm_[A-Za-z0-9]{36}\b", "an npm token"),
        (r"\bpypi-AgE[A-Za-z0-9_-]{50,}", "a PyPI token"),
        (r"\bhf_[A-Za-z0-9]{30,}\b", "a Hugging Face token"),
        (r"\bSG\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{30,}", "a SendGrid key"),
        (r"\bdop_v1_[a-f0-9]{64}\b", "a DigitalOcean token"),
        (r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", "a signed web token"),
        (r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]{3,}@", "a password in a URL"),
    )
)
_NAMED = re.compile(
    rb"(?i)(?:password|passwd|secret|token|api_?key|access_?key|private_?key|credential)[\w-]*"
    rb"[\"']?\s*(?::=|=>|[:=])\s*[\"']([^\"'\s]{12,})[\"']"
)
_RANDOM = 3.5  # bits a character; words and placeholders stay below
_LONGEST = 4000  # bytes of a line that are looked at


def check(file: CheckedFile) -> Iterator[Finding]:
    lines = split_lines(file.text)
    for number in sorted(file.introduced):
        if kind := _kind(lines[number - 1][:_LONGEST]):
            yield Finding(
                rule="secret",
                level=Level.ERROR,
                message=f"{kind} on a line that no side had",
                path=file.path,
                start=number,
                end=number,
            )


def _kind(line: bytes) -> str:
    for pattern, kind in _KINDS:
        if pattern.search(line):
            return kind
    named = _NAMED.search(line)
    return "what looks like a password or key" if named and _entropy(named[1]) > _RANDOM else ""


def _entropy(text: bytes) -> float:
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
