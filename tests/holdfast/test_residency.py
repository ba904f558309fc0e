"""What an address says of where work is done."""

from dataclasses import replace

import pytest

from fakes.plans import deployment
from holdfast.catalog import load_shipped
from holdfast.model import Deployment, ScopedPolicy
from holdfast.policy import objection
from holdfast.residency import addressed_elsewhere, bedrock_address, vertex_address

AWS = "https://bedrock-runtime.{}.amazonaws.com"
GOOGLE = "https://{}aiplatform.{}googleapis.com/v1/projects/p/locations/l"


def on_bedrock(model: str, region: str = "eu-central-1") -> Deployment:
    return deployment(
        "aws/m-eu",
        dialect="bedrock-converse",
        provider_model=model,
        base_uri=AWS.format(region),
    )


@pytest.mark.parametrize(
    ("model", "region", "geography"),
    [
        ("eu.anthropic.claude-v1:0", "eu-central-1", "eu"),
        ("us.anthropic.claude-v1:0", "us-east-1", "us"),
        ("us-gov.anthropic.claude-v1:0", "us-gov-west-1", "us"),
        ("apac.anthropic.claude-v1:0", "ap-south-1", "apac"),
        ("jp.anthropic.claude-v1:0", "ap-northeast-1", "apac"),
        ("global.anthropic.claude-v1:0", "eu-central-1", "global"),
        ("ca.amazon.nova-lite-v1:0", "ca-central-1", "elsewhere"),
        ("anthropic.claude-v1:0", "eu-north-1", "eu"),
        ("anthropic.claude-v1:0", "us-west-2", "us"),
        ("anthropic.claude-v1:0", "eu-west-2", "elsewhere"),
        ("anthropic.claude-v1:0", "eu-central-2", "elsewhere"),
        ("anthropic.claude-v1:0", "ca-central-1", "elsewhere"),
        (
            "arn:aws:bedrock:eu-west-1:1:inference-profile/us.amazon.nova-lite-v1:0",
            "eu-west-1",
            "us",
        ),
        (
            "arn:aws:bedrock:eu-west-1:1:application-inference-profile/a1",
            "eu-west-1",
            "",
        ),
    ],
)
def test_bedrock_works_where_the_profile_says(
    model: str, region: str, geography: str
) -> None:
    """And without one where it is called; a customer's own profile says nothing."""
    assert bedrock_address(on_bedrock(model, region)) == geography


@pytest.mark.parametrize(
    ("host", "geography"),
    [
        (("", ""), "global"),
        (("", "eu.rep."), "eu"),
        (("", "us.rep."), "us"),
        (("europe-west4-", ""), "eu"),
        (("europe-west2-", ""), "elsewhere"),
        (("europe-west6-", ""), "elsewhere"),
        (("us-central1-", ""), "us"),
        (("asia-northeast1-", ""), "apac"),
        (("northamerica-northeast1-", ""), "elsewhere"),
    ],
)
def test_vertex_works_where_its_host_is(host: tuple[str, str], geography: str) -> None:
    """The plain host is the world's."""
    assert vertex_address(deployment(base_uri=GOOGLE.format(*host))) == geography


def test_other_addresses_say_nothing() -> None:
    """Nor does a host that only looks like one."""
    places = [
        deployment(base_uri="https://api.anthropic.com"),
        deployment(base_uri="https://aiplatform.googleapis.com.example/v1"),
        replace(on_bedrock("m"), base_uri="https://proxy.example"),
    ]

    assert [vertex_address(p) + bedrock_address(p) for p in places] == [""] * 3


@pytest.mark.parametrize(
    ("promised", "found"),
    [("eu", "us"), ("apac", "us"), ("us", ""), ("global", ""), ("", "")],
)
def test_what_is_promised_otherwise_is_a_contradiction(
    promised: str, found: str
) -> None:
    """Who promises nothing breaks no promise."""
    place = replace(on_bedrock("us.amazon.nova-lite-v1:0"), geography=promised)

    assert addressed_elsewhere(place) == found


def test_a_policy_of_geographies_refuses_an_address_that_lies() -> None:
    """Before anything is sent, and only where geographies are what it is about."""
    lying = on_bedrock("us.amazon.nova-lite-v1:0", "us-east-1")
    bound = ScopedPolicy("project web", geographies=frozenset({"eu"}))

    assert objection([bound], lying) == (
        "project web policy: its address is one of us, and not of eu"
    )
    assert objection([ScopedPolicy("project web")], lying) is None
    assert objection([bound], on_bedrock("eu.amazon.nova-lite-v1:0")) is None


def test_no_address_in_the_catalog_lies() -> None:
    """What ships promises what its addresses say."""
    lying = [
        each.id
        for model in load_shipped().models.values()
        for each in model.deployments
        if addressed_elsewhere(each)
    ]

    assert lying == []
