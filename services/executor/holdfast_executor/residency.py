"""What is known of where an attempt was worked on, once it has been answered."""

from collections.abc import Callable
from dataclasses import dataclass

from holdfast.model import Deployment, Usage
from holdfast.residency import (
    ELSEWHERE,
    addressed_elsewhere,
    contradiction,
)

AZURE_REGION = "x-ms-region"
"""The header in which Azure names the region that answered."""

_AZURE = {
    "eu": (
        "northeurope westeurope francecentral francesouth germanywestcentral "
        "germanynorth swedencentral swedensouth polandcentral italynorth "
        "spaincentral austriaeast belgiumcentral denmarkeast finlandcentral "
        "greececentral"
    ),
    "us": (
        "eastus eastus2 eastus3 centralus northcentralus southcentralus "
        "southcentralus2 westcentralus westus westus2 westus3 usgovvirginia "
        "usgovarizona usgovtexas usdodcentral usdodeast"
    ),
    "apac": (
        "eastasia southeastasia australiaeast australiasoutheast australiacentral "
        "australiacentral2 centralindia southindia westindia southcentralindia "
        "jioindiawest jioindiacentral japaneast japanwest koreacentral koreasouth "
        "indonesiacentral malaysiawest newzealandnorth taiwannorth taiwannorthwest"
    ),
    ELSEWHERE: (
        "uksouth ukwest norwayeast norwaywest switzerlandnorth switzerlandwest "
        "canadacentral canadaeast brazilsouth brazilsoutheast mexicocentral "
        "chilecentral southafricanorth southafricawest uaenorth uaecentral "
        "qatarcentral israelcentral"
    ),
}
"""Azure's regions by their names without spaces (learn.microsoft.com/azure/
reliability/regions-list). Of one that is not here nothing is known."""

_GEOGRAPHY_OF = {
    region: place for place, regions in _AZURE.items() for region in regions.split()
}

_INFERENCE = frozenset({"us", "eu", "apac", "global"})
"""Words of Anthropic's `usage.inference_geo` that say something."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is to go by.

    Attributes:
        azure_region: What Azure's header says. Empty if it is not there.
        usage: What the provider has reported. None if it has not.
    """

    deployment: Deployment
    azure_region: str = ""
    usage: Usage | None = None


def azure_region(evidence: Evidence) -> str:
    """Read `x-ms-region`, e.g. "West Europe"."""
    return _GEOGRAPHY_OF.get(evidence.azure_region.replace(" ", "").lower(), "")


def inference_geography(evidence: Evidence) -> str:
    """Read Anthropic's `usage.inference_geo`, e.g. "us"."""
    said = evidence.usage.inference_geo if evidence.usage else ""
    return said if said in _INFERENCE else ""


WITNESSES: tuple[Callable[[Evidence], str], ...] = (azure_region, inference_geography)
"""All that is read of an answer. One more is a function above and its name here;
what an address says is in `holdfast.residency`."""


def observed_elsewhere(evidence: Evidence) -> str:
    """Say where work was done, if that is not where the deployment promises."""
    deployment = evidence.deployment
    for read in WITNESSES:
        if found := contradiction(deployment.geography, read(evidence)):
            return found
    return addressed_elsewhere(deployment)
