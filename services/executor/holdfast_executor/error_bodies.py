"""What an error body says, in whichever of a dozen shapes a provider says it.

OpenAI's object and everything else on record: `error` as a text, `message` or
`detail` without it, a list of problems, an array around it all, AWS's header,
and a proxy's HTML.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

MESSAGE_CHARACTERS_MAX = 500
"""Of a provider's own words. Longer ones repeat the request or are HTML."""

_QUOTA_DIGITS_MAX = 18
"""Of what Google sends as 64 bits in text."""

_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_SECRET = re.compile(
    r"\b(?:(?:sk|pk|gsk|xai|hf|r8|fw|csk|pplx|nvapi)[-_]|AIza|AKIA|ASIA|eyJ)"
    r"[\w*.\-]{6,}"
    r"|(?<=[Kk]ey provided: )\S+"
)
"""Keys that a provider quotes, whole or masked: OpenAI, Groq, xAI, Hugging
Face, Google, AWS and their like by how theirs begin; `eyJ` opens a JWT."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error body says, wherever in it the provider says it.

    Attributes:
        codes: Every code, type and reason in it, in lower case.
        beside: What a provider says elsewhere, to be searched, not shown.
        status: The HTTP status that the body itself claims. Zero if none.
        token_quota: The smallest quota of a prompt's tokens that is said to be
            used up. Zero if none.
    """

    message: str = ""
    code: str = ""
    param: str = ""
    codes: frozenset[str] = frozenset()
    beside: str = ""
    status: int = 0
    token_quota: int = 0
    is_html: bool = False
    parsed: Any = None


def read_error(body: bytes, headers: Mapping[str, str]) -> ErrorBody:
    """Find what a body says: OpenAI's object, and every other shape on record."""
    amazon = headers.get("x-amzn-errortype", "").partition(":")[0]
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        html = text.startswith("<")
        if html:
            title = _TITLE.search(text)
            text = " ".join(title[1].split()) if title else ""
        codes = frozenset({amazon.lower()} - {""})
        return ErrorBody(_shown(text), amazon, codes=codes, is_html=html)
    whole = parsed[0] if isinstance(parsed, list) and parsed else parsed
    if not isinstance(whole, dict):
        whole = {"message": whole} if isinstance(whole, str) else {}
    error = whole.get("error")
    inner = error if isinstance(error, dict) else whole
    written = [value for value in _codes(inner, whole, amazon) if value]
    names = [value for value in written if not value.isdigit()]
    numbers = [int(value) for value in written if value.isdigit() and len(value) == 3]
    param = inner.get("param")
    return ErrorBody(
        message=_shown(_message(inner, error)),
        code=(names or [""])[0],
        param=param if isinstance(param, str) else "",
        codes=frozenset(value.lower() for value in names),
        beside=_beside(inner, whole),
        status=next((number for number in numbers if 400 <= number < 600), 0),
        token_quota=_token_quota(inner),
        parsed=parsed,
    )


def _codes(inner: dict[str, Any], whole: dict[str, Any], amazon: str) -> Iterator[str]:
    """Every code in a body, the most telling one first."""
    for name in ("code", "error_code"):
        yield _word(inner.get(name))
    innermost = inner.get("innererror")
    if isinstance(innermost, dict):
        yield _word(innermost.get("code"))
    yield amazon
    yield _word(inner.get("__type")).rpartition("#")[2]
    details = inner.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            yield _word(detail.get("reason"))
    for name in ("type", "error_type", "status", "status_code"):
        yield _word(inner.get(name))
    for name in ("code", "error_type", "status_code", "status"):
        yield _word(whole.get(name))
    for problem in _problems(inner):
        yield _word(problem.get("type"))


def _word(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and len(value) <= 100 else ""


def _problems(inner: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The items of a list of what is wrong, as FastAPI and Mistral send it."""
    detail = inner.get("detail")
    message = inner.get("message")
    if isinstance(message, dict):
        detail = message.get("detail")
    for problem in detail if isinstance(detail, list) else ():
        if isinstance(problem, dict):
            yield problem


def _message(inner: dict[str, Any], error: object) -> str:
    candidates = [error, *(inner.get(k) for k in ("message", "Message", "detail"))]
    for candidate in candidates:
        if isinstance(candidate, str) and candidate.strip():
            return candidate
    problems = [
        f"{'.'.join(str(step) for step in place)}: {problem.get('msg')}"
        if isinstance(place := problem.get("loc"), list)
        else str(problem.get("msg"))
        for problem in _problems(inner)
    ]
    return "; ".join(problems)


def _violations(inner: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The quotas that Google says are used up, in a `google.rpc.QuotaFailure`."""
    details = inner.get("details")
    for detail in details if isinstance(details, list) else ():
        listed = detail.get("violations") if isinstance(detail, dict) else None
        for violation in listed if isinstance(listed, list) else ():
            if isinstance(violation, dict):
                yield violation


def _token_quota(inner: dict[str, Any]) -> int:
    quotas = [
        int(value)
        for violation in _violations(inner)
        if "inputtoken" in str(violation.get("quotaId")).lower()
        and (value := str(violation.get("quotaValue"))).isdecimal()
        and len(value) <= _QUOTA_DIGITS_MAX
    ]
    return min(quotas, default=0)


def _beside(inner: dict[str, Any], whole: dict[str, Any]) -> str:
    """What a router quotes, what stands outside, and the quotas that are used up."""
    found = [whole.get("message"), whole.get("detail")] if inner is not whole else []
    metadata = inner.get("metadata")
    if isinstance(metadata, dict):
        found.append(metadata.get("raw"))
    found += [violation.get("quotaId") for violation in _violations(inner)]
    return " ".join(value for value in found if isinstance(value, str))


def _shown(message: str) -> str:
    return _SECRET.sub("[redacted]", message.strip())[:MESSAGE_CHARACTERS_MAX]
