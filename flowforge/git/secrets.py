"""What looks like a secret in a line of text. Pure; says the kind and the place, never the secret."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
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
    """One kind of secret. A group named `value` is what must look random, where the shape alone is not enough.

    `hints`, in small letters: where none of them stands in a text, the shape does not either. Looking for them first is
    many times cheaper than looking for shapes.
    """

    rule: str
    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]


SHAPES = tuple(
    Shape(rule=rule, name=name, hints=tuple(hints.split()), pattern=re.compile(pattern))
    for rule, name, hints, pattern in (
        (
            "private-key",
            "a private key",
            "-----begin",
            r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
        ),
        ("putty-key", "a PuTTY private key", "putty-user-key", r"PuTTY-User-Key-File-[23]:"),
        (
            "aws-key-id",
            "an AWS access key id",
            "akia asia abia acca",
            r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
        ),
        (
            "aws-secret",
            "an AWS secret key",
            "aws",
            r"(?i:aws.{0,24}(?:secret|key).{0,12})[=:\s'\"]+(?P<value>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        ),
        (
            "github-token",
            "a GitHub token",
            "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
            r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})",
        ),
        (
            "gitlab-token",
            "a GitLab token",
            "glpat- glptt- gldt- glrt- glcbt- glsoat- glft-",
            r"\bgl(?:pat|ptt|dt|rt|cbt|soat|ft)-[A-Za-z0-9_-]{20,}",
        ),
        ("slack-token", "a Slack token", "xox", r"\bxox[abeoprs]-(?:[0-9A-Za-z]{6,}-?){2,}"),
        (
            "slack-hook",
            "a Slack webhook",
            "hooks.slack.com",
            r"hooks\.slack\.com/(?:services|workflows)/[A-Z0-9]+/[A-Z0-9]+/\w{16,}",
        ),
        (
            "discord-hook",
            "a Discord webhook",
            "/api/webhooks/",
            r"discord(?:app)?\.com/api/webhooks/\d{10,}/[\w-]{40,}",
        ),
        ("google-key", "a Google API key", "aiza", r"\bAIza[0-9A-Za-z_-]{35}\b"),
        (
            "google-oauth",
            "a Google OAuth secret",
            "gocspx- ya29.",
            r"\bGOCSPX-[0-9A-Za-z_-]{24,}|\bya29\.[0-9A-Za-z_-]{30,}",
        ),
        (
            "stripe-key",
            "a Stripe key",
            "k_live_ k_test_ whsec_",
            r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{20,}|\bwhsec_[0-9A-Za-z]{24,}",
        ),
        ("anthropic-key", "an Anthropic key", "sk-ant-", r"\bsk-ant-[A-Za-z0-9_-]{24,}"),
        ("openai-key", "an OpenAI key", "sk-", r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{40,}"),
        ("npm-token", "an npm token", "npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("pypi-token", "a PyPI token", "pypi-", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
        ("sendgrid-key", "a SendGrid key", "sg.", r"\bSG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{40,}"),
        ("twilio-key", "a Twilio key", "twilio", r"(?i:twilio.{0,24})\b(?:SK|AC)[0-9a-f]{32}\b"),
        ("digitalocean-token", "a DigitalOcean token", "_v1_", r"\bdo[opr]_v1_[0-9a-f]{64}\b"),
        ("huggingface-token", "a Hugging Face token", "hf_", r"\bhf_[A-Za-z]{34,}\b"),
        ("databricks-token", "a Databricks token", "dapi", r"\bdapi[0-9a-f]{32}\b"),
        ("azure-storage", "an Azure storage key", "accountkey=", r"AccountKey=[A-Za-z0-9+/]{80,}={0,2}"),
        ("telegram-token", "a Telegram bot token", ":aa", r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b"),
        ("age-key", "an age secret key", "age-secret-key-1", r"\bAGE-SECRET-KEY-1[0-9A-Z]{40,}"),
        ("airtable-token", "an Airtable token", "pat", r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}\b"),
        ("artifactory-key", "an Artifactory key", "akc", r"\bAKC[a-zA-Z0-9]{10,}[A-Za-z0-9]{50,}\b"),
        ("atlassian-token", "an Atlassian token", "atatt3", r"\bATATT3[A-Za-z0-9_=-]{60,}"),
        (
            "azure-secret",
            "an Azure client secret",
            "q~",
            r"(?<![\w~.-])[A-Za-z0-9_.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![\w~.-])",
        ),
        ("buildkite-token", "a Buildkite token", "bku", r"\bbku[a-z]_[0-9a-f]{40}\b"),
        ("circleci-token", "a CircleCI token", "ccipat_", r"\bCCIPAT_[A-Za-z0-9]{20,}_[0-9a-f]{40}\b"),
        ("cloudflare-ca", "a Cloudflare origin key", "v1.0-", r"\bv1\.0-[0-9a-f]{24}-[0-9a-f]{100,}"),
        ("docker-token", "a Docker token", "dckr_", r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
        ("doppler-token", "a Doppler token", "dp.", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{40,}"),
        ("dropbox-token", "a Dropbox token", "sl.", r"\bsl\.[A-Za-z0-9_-]{100,}"),
        ("figma-token", "a Figma token", "fig", r"\bfig[dour]_[A-Za-z0-9_-]{40,}"),
        (
            "fly-token",
            "a Fly.io token",
            "fo1_ fm1 fm2",
            r"\bfo1_[\w-]{43}\b|\bfm[12][ar]?_[A-Za-z0-9+/]{100,}={0,3}",
        ),
        (
            "grafana-token",
            "a Grafana token",
            "glsa_ glc_",
            r"\bglsa_[A-Za-z0-9]{32}_[0-9a-f]{8}\b|\bglc_[A-Za-z0-9+/]{32,}={0,2}",
        ),
        ("groq-key", "a Groq key", "gsk_", r"\bgsk_[A-Za-z0-9]{48,}"),
        ("heroku-key", "a Heroku key", "hrku-", r"\bHRKU-[A-Za-z0-9_-]{36,}"),
        ("linear-key", "a Linear key", "lin_api_", r"\blin_api_[A-Za-z0-9]{40}\b"),
        ("mailchimp-key", "a Mailchimp key", "-us", r"\b[0-9a-f]{32}-us\d{1,2}\b"),
        ("mailgun-key", "a Mailgun key", "key-", r"\bkey-[0-9a-f]{32}\b"),
        ("netlify-token", "a Netlify token", "nfp_", r"\bnfp_[A-Za-z0-9]{36,}"),
        ("newrelic-key", "a New Relic key", "nrak-", r"\bNRAK-[A-Z0-9]{27}\b"),
        (
            "notion-token",
            "a Notion token",
            "ntn_ secret_",
            r"\bntn_[A-Za-z0-9]{40,}|\bsecret_[A-Za-z0-9]{43}\b",
        ),
        ("planetscale-token", "a PlanetScale token", "pscale_", r"\bpscale_(?:tkn|pw|oauth)_[\w.=-]{32,}"),
        ("postman-key", "a Postman key", "pmak-", r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}\b"),
        ("pulumi-token", "a Pulumi token", "pul-", r"\bpul-[0-9a-f]{40}\b"),
        ("replicate-token", "a Replicate token", "r8_", r"\br8_[A-Za-z0-9]{37}\b"),
        ("rubygems-key", "a RubyGems key", "rubygems_", r"\brubygems_[0-9a-f]{48}\b"),
        ("sentry-token", "a Sentry token", "sntrys_ sntryu_", r"\bsntry[su]_[A-Za-z0-9+/=_-]{60,}"),
        ("shopify-token", "a Shopify token", "shp", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b"),
        (
            "square-token",
            "a Square token",
            "sq0 eaaa",
            r"\bsq0(?:atp|csp|idp)-[\w-]{22,43}|\bEAAA[\w-]{60}\b",
        ),
        ("supabase-key", "a Supabase key", "sbp_ sb_secret_", r"\bsbp_[0-9a-f]{40}\b|\bsb_secret_[\w-]{20,}"),
        (
            "tailscale-key",
            "a Tailscale key",
            "tskey-",
            r"\btskey-(?:auth|api|client|scim|webhook)-[\w-]{20,}",
        ),
        ("terraform-token", "a Terraform token", ".atlasv1.", r"\b[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}"),
        ("vault-token", "a Vault token", "hvs. hvb. hvr.", r"\bhv[sbr]\.[\w-]{24,}"),
        ("xai-key", "an xAI key", "xai-", r"\bxai-[A-Za-z0-9]{60,}"),
        (
            "jwt",
            "a JSON web token",
            "eyj",
            r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        ),
        (
            "url-password",
            "a password inside a url",
            "://",
            r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{1,64}:(?P<value>[^\s/@'\"$]{6,128})@[\w.-]+",
        ),
        (
            "assigned-secret",
            "a secret in an assignment",
            "passw passphrase secret token api private credential",
            _NAMES + r"[\w\"'\]-]{0,24}\s*(?::=|=>|=|:)\s*[rbuf]?[\"'](?P<value>[^\"'\s]{12,200})[\"']",
        ),
    )
)


def find_secret(line: str) -> Shape | None:
    """The shape of the first secret in `line`, if there is one; placeholders of examples are let through."""
    found = min(secrets_of(line[:_LONGEST], likely(line)), key=lambda one: one[1], default=None)
    return None if found is None else found[0]


def likely(text: str) -> tuple[Shape, ...]:
    """The shapes of which some may stand in a text, by their hints."""
    small = text.lower()
    return tuple(shape for shape in SHAPES if any(hint in small for hint in shape.hints))


def secrets_of(line: str, shapes: Sequence[Shape]) -> Iterator[tuple[Shape, int, int]]:
    """Every secret of these shapes in a line, by shape, and where it stands."""
    for shape in shapes:
        for found in shape.pattern.finditer(line):
            if not _PLACEHOLDER.search(found[0]) and _looks_random(found, shape):
                yield shape, *(found.span("value") if "value" in shape.pattern.groupindex else found.span())


def _looks_random(found: re.Match[str], shape: Shape) -> bool:
    if shape.rule == "url-password" or "value" not in shape.pattern.groupindex:
        return True
    value = found["value"]
    kinds = sum(any(test(c) for c in value) for test in (str.islower, str.isupper, str.isdigit))
    return entropy(value) >= _RANDOM and kinds > 1


def entropy(text: str) -> float:
    """Shannon entropy, bits a character."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values()) if text else 0.0
