"""What a provider says is left of a rate limit, read from an answer's headers.

Most providers say nothing, and of those that do only an allowance that is nearly
used up is of interest: new sessions then go elsewhere before anything is refused.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from holdfast.model import Allowance
from holdfast_executor.wait_hints import read_wait

_LITTLE = 0.2
"""What is reported: twice what the resolver acts on, so that it decides."""

_PLAIN = tuple(
    (
        f"x-ratelimit-remaining-{kind}",
        f"x-ratelimit-limit-{kind}",
        f"x-ratelimit-reset-{kind}",
    )
    for kind in ("requests", "tokens")
)
_ANTHROPIC = tuple(
    tuple(
        f"anthropic-ratelimit-{kind}-{fact}" for fact in ("remaining", "limit", "reset")
    )
    for kind in ("requests", "tokens", "input-tokens", "output-tokens")
)
_FAMILIES = {_PLAIN[0][0]: _PLAIN, _PLAIN[1][0]: _PLAIN} | {
    names[0]: _ANTHROPIC for names in _ANTHROPIC[:2]
}
"""By a header that all who send any of a family send: OpenAI's, which Azure,
Groq and most compatible ones follow, and Anthropic's."""


def allowance(headers: Mapping[str, str]) -> Allowance | None:
    """Read how little is left of the limit that is nearest to its end.

    Args:
        headers: By lower-case name.

    Returns:
        None if nothing is said or enough is left.
    """
    family = next((f for name, f in _FAMILIES.items() if name in headers), None)
    if family is None:
        return None
    least: tuple[float, str] | None = None
    for remaining, limit, reset in family:
        share = _share(headers.get(remaining), headers.get(limit))
        if share is not None and (least is None or share < least[0]):
            least = share, headers.get(reset, "")
    if least is None or least[0] >= _LITTLE:
        return None
    share, reset = least
    return Allowance(share, read_wait(reset, datetime.now(UTC)) if reset else None)


def _share(remaining: str | None, limit: str | None) -> float | None:
    if remaining is None or limit is None:
        return None
    try:
        left, whole = float(remaining), float(limit)
    except ValueError:
        return None
    return min(1.0, left / whole) if 0 < whole < math.inf and left >= 0 else None
