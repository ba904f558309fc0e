"""What a name stands for."""

import pytest

from fakes.plans import deployment, model, names
from holdfast.errors import ModelNotFoundError
from holdfast_resolver.expansion import expand

SONNET = model("claude-sonnet-4-5", deployment("a/s"), deployment("b/s"))


def ids(expansion) -> list[list[str]]:
    return [[d.id for d in member.deployments] for member in expansion.members]


def test_an_alias_beats_every_other_thing_of_its_name():
    """An alias is looked up first, whatever else bears its name."""
    both = names(
        model("x", deployment("x")),
        model("y"),
        aliases={"x": ["y"]},
        custom=[model("x", deployment("own/x"), custom=True)],
    )

    expansion = expand("x", both)

    assert expansion.is_alias
    assert ids(expansion) == [["a/y-eu", "b/y-us"]]


def test_a_pinned_id_beats_a_custom_model_and_a_plain_name():
    """A pinned id is looked up second, and stands for its one deployment."""
    own = model("a/x", deployment("own/x"), custom=True)

    expansion = expand(
        "a/x", names(model("a/x", deployment("a/x"), deployment("b/x")), custom=[own])
    )

    assert ids(expansion) == [["a/x"]]
    assert expansion.members[0].pinned


def test_a_custom_model_beats_a_plain_name():
    """A custom model is looked up third."""
    own = model("x", deployment("own/x"), custom=True)

    expansion = expand("x", names(model("x", deployment("a/x")), custom=[own]))

    assert ids(expansion) == [["own/x"]]
    assert not expansion.members[0].pinned


def test_a_plain_name_stands_for_all_its_deployments():
    """A plain name is a pool, in the catalog's order."""
    expansion = expand("claude-sonnet-4-5", names(SONNET))

    assert ids(expansion) == [["a/s", "b/s"]]
    assert not expansion.is_alias


@pytest.mark.parametrize("spelling", ["claude-sonnet-4.5", "Claude-Sonnet-4-5"])
def test_another_spelling_finds_the_model_and_is_answered_with(spelling):
    """Providers' spellings are understood, and the answer keeps the caller's own."""
    (member,) = expand(spelling, names(SONNET)).members

    assert member.deployments == SONNET.deployments
    assert member.response_model == spelling


def test_a_name_with_a_provider_is_never_widened_to_the_whole_pool():
    """Who names a place that does not exist is not sent elsewhere."""
    with pytest.raises(ModelNotFoundError):
        expand("nowhere/claude-sonnet-4-5", names(SONNET))


def test_an_unknown_name_is_answered_with_names_that_are_near():
    """The error says what was meant, and how to see what there is."""
    with pytest.raises(ModelNotFoundError) as raised:
        expand("claude-sonet-4-5", names(SONNET, model("gpt-oss-120b")))

    assert "Did you mean 'claude-sonnet-4-5'?" in raised.value.message
    assert "gpt-oss-120b" not in raised.value.message
    assert "GET /v1/models" in raised.value.message
    assert raised.value.metadata == {"model": "claude-sonet-4-5"}


def test_a_mistyped_pinned_id_is_answered_with_pinned_ids():
    """Deployments are proposed to who names one, and not otherwise."""
    known = names(SONNET, model("zeta", deployment("aws/zeta-large-eu")))

    with pytest.raises(ModelNotFoundError) as raised:
        expand("aws/zeta-larg-eu", known)

    assert "'aws/zeta-large-eu'" in raised.value.message


def test_an_alias_keeps_its_order_and_each_deployment_its_first_place():
    """A deployment that two members have is tried where it comes first."""
    known = names(SONNET, model("t"), aliases={"best": ["b/s", "t", SONNET.id]})

    expansion = expand("best", known)

    assert ids(expansion) == [["b/s"], ["a/t-eu", "b/t-us"], ["a/s"]]
    assert [m.response_model for m in expansion.members] == ["b/s", "t", SONNET.id]


def test_a_member_with_nothing_left_is_no_member():
    """A member all of whose deployments came before adds nothing."""
    known = names(SONNET, aliases={"best": [SONNET.id, "a/s"]})

    assert ids(expand("best", known)) == [["a/s", "b/s"]]


def test_an_alias_goes_on_without_members_that_are_gone():
    """A model that left the catalog does not take the alias with it."""
    known = names(SONNET, aliases={"best": ["gone", SONNET.id]})

    assert ids(expand("best", known)) == [["a/s", "b/s"]]


def test_an_alias_of_nothing_says_what_it_lists():
    """The error names the members that are none."""
    with pytest.raises(ModelNotFoundError, match="'best' is a model: gone, lost"):
        expand("best", names(SONNET, aliases={"best": ["gone", "lost"]}))
