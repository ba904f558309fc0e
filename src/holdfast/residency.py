"""Where work is done, by what addresses and providers' own words say of it.

A deployment promises a geography. Its address may say otherwise, and so may the
provider once it has answered; either beats the promise.
"""

import functools
import re
from collections.abc import Callable
from datetime import timedelta

from holdfast.model import Deployment

ELSEWHERE = "elsewhere"
"""A place that is known and in none of the geographies: London, Zurich, Montreal."""

STRAY_LIFE = timedelta(days=1)
"""For how long a provider's word counts that it worked elsewhere than it promises,
from the last such word: long enough for somebody to see the alarm, and short enough
that who has mended it need not tell us."""

_BOUND = frozenset({"eu", "us", "apac"})
"""Geographies that promise something. `global` and nothing known do not."""

_PROFILE = re.compile(r"(?:^|/)(eu|us|us-gov|apac|jp|au|ca|global)\.[a-z0-9]+\.")
_PROFILES = {
    "us-gov": "us",
    "jp": "apac",
    "au": "apac",
    "ca": ELSEWHERE,
}
"""What an inference profile is called that is not called as its geography."""

_AWS_HOST = re.compile(r"//bedrock[a-z-]*\.([a-z]{2}(?:-[a-z]+)+-\d)\.")
_VERTEX_HOST = re.compile(
    r"//(?:(?P<region>[a-z]+-[a-z]+\d+)-)?aiplatform\."
    r"(?:(?P<area>eu|us)\.rep\.)?googleapis\.com/"
)

_REGIONS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Named for Europe and not in the Union: London and Zurich.
    (re.compile(r"eu-west-2|eu-central-2|europe-west[26]"), ELSEWHERE),
    (re.compile(r"eu-|europe-"), "eu"),
    (re.compile(r"us-"), "us"),
    (re.compile(r"ap-|asia-|australia-"), "apac"),
    (re.compile(r"[a-z]+-"), ELSEWHERE),
)
"""Regions of AWS and Google Cloud, by how their names begin; the first that fits.
docs.aws.amazon.com/global-infrastructure/latest/regions, and
cloud.google.com/vertex-ai/docs/general/locations."""


def contradiction(promised: str, stated: str) -> str:
    """Return what is stated where it is not what is promised, else nothing.

    Args:
        promised: The deployment's geography.
        stated: Where work is done. Empty if nothing is said.
    """
    return stated if promised in _BOUND and stated != promised else ""


def region_geography(region: str) -> str:
    """Say what geography a region of AWS or Google Cloud is in; empty if unknown."""
    return next((place for sign, place in _REGIONS if sign.match(region)), "")


def bedrock_address(deployment: Deployment) -> str:
    """Read Bedrock's inference profile, or the host where the model has none.

    A profile of a customer's own says nothing, nor does the host it is called at.
    """
    if not deployment.dialect.startswith("bedrock-"):
        return ""
    model = deployment.provider_model
    if (profile := _PROFILE.search(model)) is not None:
        return _PROFILES.get(profile[1], profile[1])
    host = _AWS_HOST.search(deployment.base_uri)
    if host is None or model.startswith("arn:"):
        return ""
    return region_geography(host[1])


def vertex_address(deployment: Deployment) -> str:
    """Read the host of Vertex AI: a region's, several regions' or the world's."""
    host = _VERTEX_HOST.search(deployment.base_uri)
    if host is None:
        return ""
    if host["region"]:
        return region_geography(host["region"])
    return host["area"] or "global"


ADDRESSES: tuple[Callable[[Deployment], str], ...] = (bedrock_address, vertex_address)
"""All that is read of a deployment's address. One more is a function above."""


@functools.lru_cache(16_384)
def addressed_elsewhere(deployment: Deployment) -> str:
    """Say where a deployment's address leads, if that is not where it promises."""
    for read in ADDRESSES:
        if found := contradiction(deployment.geography, read(deployment)):
            return found
    return ""
