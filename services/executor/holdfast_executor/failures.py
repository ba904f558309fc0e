"""What a provider's failure means for the next attempt, whoever the provider is.

Status alone misleads: some providers answer 400 to a wrong key, 429 to a
request that will never fit, 404 to a missing feature. So the body is read
first, by the table `RULES`; the status decides what the body leaves open.
"""

import dataclasses
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from holdfast.model import Outcome
from holdfast_executor.dialects import ProviderError
from holdfast_executor.error_bodies import ErrorBody, read_error
from holdfast_executor.failure_rules import BY_STATUS, RULES, STATUS_OF_CODE
from holdfast_executor.wait_hints import retry_after

_SEARCHED_CHARACTERS_MAX = 8192
"""How far into a message a rule looks. The longest real ones reach 1,000."""

_LIMIT_AND_REQUESTED = re.compile(r"limit:? (\d+),? requested:? (\d+)")
"""OpenAI's and Groq's words."""

_QUOTA_OF_NOTHING = re.compile(rb'"quota(?:_limit_v|V)alue"\s*:\s*"0"')
_TOKEN_LIMIT = re.compile(
    r"token\w*, limit: (\d+)"
    r"|rate limit of (\d+) per \d+s exceeded for (?!\w*(?:output|uncached))"
    r"\w*tokens"
)
"""Limits of a prompt's tokens. Azure's of uncached ones is none: what the cache
holds does not count, and nobody here knows how much that is."""

_TOKEN_LIMIT_HEADERS = (
    "x-ratelimit-limit-tokens",
    "x-ratelimit-limit-tokens-minute",
    "x-ratelimitbysize-limit-minute",
)
"""OpenAI's, Azure's and Groq's, then Mistral's, new and old. None of Anthropic's:
what its cache holds does not count either."""

_COUNT = re.compile(r"\d{1,18}", re.ASCII)

_BYTES_PER_TOKEN = 4
"""English text in the tokenizers in use runs to about four bytes a token."""

_ENCODED = re.compile(rb"[A-Za-z0-9+/=]{512,}")
"""Media in base64, whose length says nothing about tokens. No word is as long."""

_ESCAPED = re.compile(rb"\\u[0-9a-fA-F]{4}")
_UNESCAPED = b"xx"
"""A letter beyond ASCII, which takes six bytes as JSON escapes it and two or three
as it is."""


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime | None = None,
) -> ProviderError:
    """Say what an answer without success leads to.

    Args:
        status: The HTTP status.
        headers: By lower-case name.
        body: Whatever came.
        now: Against which the moments in wait hints are measured. None: the
            clock of this machine.
    """
    said = read_error(body, headers)
    outcome = _outcome(status, said, body)
    is_about_tokens = outcome in (Outcome.RATE_LIMITED, Outcome.TOO_LONG)
    return ProviderError(
        outcome,
        said.message or f"The provider answered with HTTP status {status}.",
        http_status=status,
        code=said.code,
        param=said.param,
        retry_after=retry_after(status, headers, said.parsed, now or datetime.now(UTC)),
        token_limit=_token_limit(status, headers, said) if is_about_tokens else 0,
    )


def classify_in_band(error: dict[str, Any] | str | bytes) -> ProviderError:
    """Say what an error leads to that came in a body or event of success.

    Args:
        error: The value of `error`, or the body or event that is the error.
    """
    if isinstance(error, dict):
        body = msgspec.json.encode(error if "error" in error else {"error": error})
    else:
        body = error.encode() if isinstance(error, str) else error
    said = read_error(body, {})
    status = said.status or next(
        (STATUS_OF_CODE[code] for code in said.codes if code in STATUS_OF_CODE), 0
    )
    return ProviderError(
        _outcome(status, said, body),
        said.message or "The provider reported an error in its answer.",
        http_status=200,
        code=said.code,
        param=said.param,
        retry_after=retry_after(status, {}, said.parsed, datetime.now(UTC)),
    )


def fitted(failure: ProviderError, request: bytes) -> ProviderError:
    """Tell a token bucket that is empty from one that a request will never fit.

    Gemini and Azure answer 429 with a wait to both, and name the size of the bucket
    alone.

    Args:
        failure: What it was understood as.
        request: The caller's own bytes.
    """
    if failure.outcome is not Outcome.RATE_LIMITED:
        return failure
    if not 0 < failure.token_limit < _text_tokens(request):
        return failure
    return dataclasses.replace(failure, outcome=Outcome.TOO_LONG, retry_after=None)


def _text_tokens(request: bytes) -> int:
    """Estimate how many tokens the text of a request has."""
    text = _ESCAPED.sub(_UNESCAPED, _ENCODED.sub(b"", request))
    return len(text) // _BYTES_PER_TOKEN


def _outcome(status: int, said: ErrorBody, body: bytes) -> Outcome:
    if 300 <= status < 400 or (said.is_html and status == 400):
        # Redirects are off; and no model's API answers in HTML, a proxy does.
        return Outcome.SERVER_ERROR
    text = _searched(said)
    if _never_fits(text):
        return Outcome.TOO_LONG
    if status == 429 and _QUOTA_OF_NOTHING.search(body):
        return Outcome.UNUSABLE
    for rule in RULES:
        if rule.matches(status, said.codes, text):
            return rule.outcome
    if 400 <= status < 500:
        return BY_STATUS.get(status, Outcome.REJECTED)
    return Outcome.SERVER_ERROR


def _searched(said: ErrorBody) -> str:
    return f"{said.message} {said.beside}"[:_SEARCHED_CHARACTERS_MAX].lower()


def _token_limit(status: int, headers: Mapping[str, str], said: ErrorBody) -> int:
    """Read the size of the bucket that a request is drawn from; zero if unsaid."""
    text = _searched(said)
    if found := _LIMIT_AND_REQUESTED.search(text):
        return int(found[1])
    if status != 429:
        return 0
    limits = [said.token_quota]
    limits += [int(each[1] or each[2]) for each in _TOKEN_LIMIT.finditer(text)]
    for name in _TOKEN_LIMIT_HEADERS:
        value = headers.get(name, "")
        limits.append(int(value) if _COUNT.fullmatch(value) else 0)
    return min((limit for limit in limits if limit > 0), default=0)


def _never_fits(text: str) -> bool:
    """Whether a request is said to be larger than the whole bucket it is drawn from.

    OpenAI and Groq then answer 429 or 413 with both sizes; waiting helps with
    neither.
    """
    found = _LIMIT_AND_REQUESTED.search(text)
    return found is not None and int(found[2]) > int(found[1])
