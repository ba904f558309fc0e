"""Ready-made patterns: what each finds, one row a kind.

`docs/guardrails.md` says what each finds to people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from holdfast.guardrails import validity
from holdfast.guardrails.validity import Accepts


@dataclass(frozen=True, slots=True)
class Preset:
    """Something to look for.

    Attributes:
        regex: Finds what may be it, in RE2's syntax.
        begun: Matches at the end of a text whatever might become a match of `regex`
            if the text went on; more than that is no harm.
        accepts: Whether it is it.
    """

    name: str
    regex: str
    begun: str
    accepts: Accepts = validity.anything


_BETWEEN = r" .\-\x{A0}\x{2009}\x{202F}\x{2011}"
"""What stands between groups of digits: models write thin and unbroken spaces too."""

_NEXT = rf"[{_BETWEEN}]"
_PHONE_NEXT = rf"[/(){_BETWEEN}]{{0,2}}"

_LETTER = r"A-Za-z0-9\x{C0}-\x{24F}"
"""Of an address: also the letters of Europe's languages, not those of languages
that put no space before one."""

_KEY_HEADER = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_KEY_FOOTER = r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_KEY_BODY = r"(?:[A-Za-z0-9+/=\s\\:,.]|-[A-Za-z0-9])*"
"""Base64 and what comes before it in keys with a password; a backslash where a key
stands in JSON within a text."""


def _token(
    name: str,
    *prefixes: str,
    rest: str = "A-Za-z0-9_",
    least: int = 16,
    accepts: Accepts = validity.anything,
) -> Preset:
    """Make the row of a token that begins with one of several words.

    Args:
        name: The row's.
        prefixes: What it begins with. No special characters but dots.
        rest: The characters that follow, as in a class.
        least: How many there are at least.
        accepts: Whether it is one.
    """
    words = "|".join(prefix.replace(".", r"\.") for prefix in prefixes)
    begun = "|".join(_begun(prefix, rest) for prefix in prefixes)
    return Preset(
        name,
        rf"\b(?:{words})[{rest}]{{{least},}}",
        rf"\b(?:{begun})",
        accepts,
    )


def _begun(prefix: str, rest: str) -> str:
    """Match any beginning of a word, and the word with what follows."""
    written = f"[{rest}]*"
    for character in reversed(prefix):
        own = character.replace(".", r"\.")
        written = own + (f"(?:{written})?")
    return written


_PERSONAL = (
    Preset(
        "credit_card",
        rf"\b(?:[2-6][0-9]{{12,18}}"
        rf"|[2-6][0-9]{{3}}(?:{_NEXT}[0-9]{{4}}){{3}}(?:{_NEXT}[0-9]{{1,3}})?"
        rf"|3[0-9]{{3}}{_NEXT}[0-9]{{6}}{_NEXT}[0-9]{{4,5}})\b",
        rf"\b[2-6][0-9{_BETWEEN}]{{0,23}}",
        validity.card,
    ),
    Preset(
        "iban",
        rf"\b[A-Za-z]{{2}}[0-9]{{2}}(?:{_NEXT}?[A-Za-z0-9]){{11,30}}",
        rf"\b[A-Za-z]{{1,2}}(?:[0-9](?:[0-9](?:{_NEXT}?[A-Za-z0-9]){{0,30}}{_NEXT}?)?)?",
        validity.iban,
    ),
    Preset(
        "email",
        rf"[._%+'\-{_LETTER}]{{1,64}}@(?:[\-{_LETTER}]+\.)+[A-Za-z]{{2,24}}",
        rf"[._%+'\-{_LETTER}]{{1,64}}(?:@[.\-{_LETTER}]*)?",
    ),
    Preset(
        "phone",
        rf"(?:\+|\b00)[1-9](?:{_PHONE_NEXT}[0-9]){{7,14}}"
        rf"|(?:\([2-9][0-9]{{2}}\) ?|\b[2-9][0-9]{{2}}{_NEXT})[2-9][0-9]{{2}}"
        rf"{_NEXT}[0-9]{{4}}\b"
        rf"|\b0[1-9](?:{_PHONE_NEXT}[0-9]){{7,10}}\b",
        rf"(?:\+|\b[0-9]|\()(?:{_PHONE_NEXT}[0-9]){{0,16}}{_PHONE_NEXT}",
        validity.phone,
    ),
    Preset(
        "us_ssn",
        r"\b[0-9]{3}[ \-][0-9]{2}[ \-][0-9]{4}\b",
        r"\b[0-9]{1,3}(?:[ \-](?:[0-9]{1,2}(?:[ \-][0-9]{0,4})?)?)?",
        validity.social_security,
    ),
    Preset(
        "ip_address",
        r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b"
        r"|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}",
        r"\b[0-9]{1,3}(?:\.[0-9]{0,3}){0,4}"
        r"|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){0,7}:?",
        validity.ip_address,
    ),
)

_KEYS = (
    _token("openai_key", "sk-", rest=r"A-Za-z0-9_\-", accepts=validity.openai_key),
    _token("anthropic_key", "sk-ant-", rest=r"A-Za-z0-9_\-"),
    _token("aws_access_key", "AKIA", "ASIA", rest="A-Z0-9"),
    _token("google_key", "AIza", "ya29.", "GOCSPX-", rest=r"A-Za-z0-9_\-", least=20),
    _token(
        "github_token", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", least=20
    ),
    _token("gitlab_token", "glpat-", rest=r"A-Za-z0-9_.\-", accepts=validity.sentence),
    _token("slack_token", "xox", "xapp-", rest=r"A-Za-z0-9\-"),
    _token("stripe_key", "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"),
    _token("huggingface_token", "hf_", rest="A-Za-z0-9", least=30),
    _token("npm_token", "npm_", rest="A-Za-z0-9", least=36),
    _token(
        "sendgrid_key",
        "SG.",
        rest=r"A-Za-z0-9_.\-",
        least=32,
        accepts=validity.sentence,
    ),
    Preset(
        "jwt",
        r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*",
        r"\b" + _begun("eyJ", r"A-Za-z0-9_.\-"),
        validity.jwt,
    ),
    Preset(
        "private_key",
        rf"{_KEY_HEADER}{_KEY_BODY}(?:{_KEY_FOOTER})?",
        rf"-{{1,5}}[A-Z0-9 ]{{0,60}}-{{0,5}}|{_KEY_HEADER}{_KEY_BODY}"
        rf"(?:-{{1,5}}[A-Z0-9 ]{{0,60}}-{{0,5}})?",
    ),
)

PRESETS: Mapping[str, tuple[Preset, ...]] = MappingProxyType(
    {row.name: (row,) for row in (*_PERSONAL, *_KEYS)} | {"api_key": _KEYS}
)
"""What may be named: each row, and the keys and tokens of all kinds together."""
