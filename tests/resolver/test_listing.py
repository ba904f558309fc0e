"""What one caller may call, page by page."""

import pytest

from fakes.plans import deployment, membership, model, names, stands
from holdfast.api.catalog.v1 import catalog_service_pb2 as pb
from holdfast.errors import RequestMalformedError
from holdfast.model import ScopedPolicy
from holdfast_resolver.directory import Objection
from holdfast_resolver.listing import list_models

EU = ScopedPolicy("project web", geographies=frozenset({"eu"}))


def listed(*models, policies=(), cooling=(), strays=None, known=None, **request):
    return list_models(
        pb.ListModelsRequest(**request),
        membership(names(*models, **(known or {})), *policies),
        lambda d: stands(5 if d.id in cooling else None),
        lambda d: (strays or {}).get(d.id, ""),
    )


def rows(response) -> dict[str, list[str]]:
    return {
        each.model_id: [d.deployment.deployment_id for d in each.deployments]
        for each in response.models
    }


def test_models_are_listed_by_name_with_what_may_be_called():
    """Deployments outside the policy are not there, nor models without any."""
    response = listed(
        model("n"), model("m"), model("o", deployment("a/o-us")), policies=[EU]
    )

    assert list(rows(response).items()) == [("m", ["a/m-eu"]), ("n", ["a/n-eu"])]


def test_what_is_left_out_is_listed_with_its_rule_on_request():
    """Every deployment is there, each with why it may not be called."""
    lacks = {"a/m-eu": Objection("no key for a")}

    response = listed(
        model("m"), policies=[EU], known={"objections": lacks}, include_excluded=True
    )

    rules = {
        d.deployment.deployment_id: d.exclusion_rule
        for d in response.models[0].deployments
    }
    assert rules == {
        "a/m-eu": "no key for a",
        "b/m-us": "project web policy: geography us not in [eu]",
    }


def test_a_deployment_that_is_left_aside_says_how_long():
    """Health is shown and leaves nothing out."""
    (row,) = listed(model("m"), cooling={"b/m-us"}).models

    healthy, cooling = row.deployments
    assert not healthy.HasField("cooldown")
    assert cooling.cooldown.seconds == 5


def test_custom_models_are_listed_among_the_others():
    """They say that they are the organization's own."""
    own = model("acme/tuned", deployment("acme/tuned"), custom=True)

    response = listed(model("m"), known={"custom": [own]})

    assert [(each.model_id, each.custom) for each in response.models] == [
        ("acme/tuned", True),
        ("m", False),
    ]


def test_aliases_are_on_the_first_page():
    """With their targets in order."""
    known = {"aliases": {"best": ["n", "m"], "any": ["m"]}}

    response = listed(model("m"), known=known)

    assert [(a.alias_id, list(a.targets)) for a in response.aliases] == [
        ("any", ["m"]),
        ("best", ["n", "m"]),
    ]
    assert not listed(model("m"), known=known, page_token="a").aliases


def test_pages_follow_one_another_without_gap_or_repetition():
    """Walking by two lists every model once."""
    models = [model(f"m{n}") for n in range(5)]
    seen, token = [], ""

    while True:
        page = listed(*models, page_size=2, page_token=token)
        seen += [each.model_id for each in page.models]
        if not (token := page.next_page_token):
            break

    assert seen == ["m0", "m1", "m2", "m3", "m4"]


def test_a_negative_page_is_refused():
    """The error names the field."""
    with pytest.raises(RequestMalformedError) as raised:
        listed(model("m"), page_size=-1)

    assert raised.value.metadata == {"field": "page_size"}
