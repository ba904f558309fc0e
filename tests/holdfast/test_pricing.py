"""What tokens cost, exactly."""

import json
from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given
from hypothesis import strategies as st

from holdfast.model import Pricing, Usage
from holdfast.pricing import cost_usd_nanos, usd

PRICING = Pricing(
    input=3_000_000, output=15_000_000, cache_read=300_000, cache_creation=3_750_000
)
tokens = st.integers(0, 10_000_000)
prices = st.integers(0, 1_000_000_000)


def test_each_kind_of_token_has_its_price():
    """1,000 input tokens, 400 of them read and 100 written, and 50 output."""
    usage = Usage(
        1_000, 50, cache_read_input_tokens=400, cache_creation_input_tokens=100
    )

    expected = Decimal("0.003") / 1000 * 500
    expected += Decimal("0.0003") / 1000 * 400
    expected += Decimal("0.00375") / 1000 * 100
    expected += Decimal("0.015") / 1000 * 50
    assert cost_usd_nanos(usage, PRICING) == expected * 10**9


def test_reasoning_is_part_of_the_output():
    """It is not paid for twice."""
    plain = Usage(output_tokens=100)
    thinking = Usage(output_tokens=100, reasoning_output_tokens=90)

    assert cost_usd_nanos(thinking, PRICING) == cost_usd_nanos(plain, PRICING)


def test_a_provider_that_counts_its_cache_apart_is_not_paid_less_than_nothing():
    """More cached tokens than input tokens leave no uncached ones."""
    usage = Usage(input_tokens=10, cache_read_input_tokens=400)

    assert cost_usd_nanos(usage, PRICING) == 400 * 300


def test_half_a_nanodollar_is_rounded_up():
    """And less than half down."""
    half = Pricing(500, 499, 0, 0)

    assert cost_usd_nanos(Usage(input_tokens=1), half) == 1
    assert cost_usd_nanos(Usage(output_tokens=1), half) == 0


@given(
    st.tuples(tokens, tokens, tokens, tokens),
    st.builds(Pricing, prices, prices, prices, prices),
)
def test_the_cost_is_the_exact_sum_rounded_once(counted, pricing):
    """Whatever the tokens and prices: no float, no rounding in between."""
    fresh, out, read, made = counted
    usage = Usage(fresh + read + made, out, read, made)

    exact = sum(
        Decimal(count) * price_of
        for count, price_of in (
            (fresh, pricing.input),
            (out, pricing.output),
            (read, pricing.cache_read),
            (made, pricing.cache_creation),
        )
    ) / Decimal(1_000)
    assert cost_usd_nanos(usage, pricing) == exact.quantize(Decimal(1), ROUND_HALF_UP)


@given(st.integers(-(10**20), 10**20))
def test_an_amount_is_a_json_number_without_loss(nanos):
    """Read back exactly, it is the same amount."""
    written = usd(nanos)

    assert json.loads(written, parse_float=Decimal, parse_int=Decimal) * 10**9 == nanos


def test_an_amount_is_written_as_short_as_it_is():
    """No trailing zeros and no exponent."""
    assert [usd(n) for n in (0, 10**9, 2_100_000, 1, -1_500_000_000)] == [
        "0",
        "1",
        "0.0021",
        "0.000000001",
        "-1.5",
    ]
