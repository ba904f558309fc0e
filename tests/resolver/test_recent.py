"""What is remembered of things that come twice."""

from holdfast_resolver.recent import Recent


def test_a_thing_is_new_once():
    """The same plan's next attempt is another thing."""
    recent = Recent(10)

    assert recent.is_new("plan", 1)
    assert recent.is_new("plan", 2)
    assert not recent.is_new("plan", 1)


def test_the_last_things_are_remembered():
    """As many as were asked for, however many there have been."""
    recent = Recent(100)
    for number in range(10_050):
        recent.is_new(number)

    assert not any(recent.is_new(number) for number in range(9_950, 10_050))


def test_what_is_long_gone_is_forgotten():
    """No more is kept than twice what was asked for."""
    recent = Recent(100)
    for number in range(10_050):
        recent.is_new(number)

    assert recent.is_new(9_800)
