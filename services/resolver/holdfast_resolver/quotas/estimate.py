"""What a call may cost, before it is made. Pure."""

from collections.abc import Sequence

from holdfast.model import Capability, Deployment, PlanStep, Requirements

USUAL_OUTPUT_TOKENS = 4_096
"""What is reserved for an answer whose caller sets no limit to it: three thousand
words. The most that a model may write, often 64,000 tokens, would have a small budget
look used up by a few calls."""

_TOKENS_PER_PRICE = 1_000
"""As in `holdfast.pricing`: a token at a price costs price / 1000 nanodollars."""


def dearest_usd_nanos(steps: Sequence[PlanStep], wanted: Requirements) -> int:
    """Say what the dearest step of a plan may cost, in nanodollars.

    By the estimate of its input, as if none of it were in the prompt cache and all
    were written there, and by the output it may have. A step without a price costs
    nothing.
    """
    return max((_usd_nanos(step.deployment, wanted) for step in steps), default=0)


def most_tokens(steps: Sequence[PlanStep], wanted: Requirements) -> int:
    """Say how many tokens a call may take, input and output."""
    output = max((_output(step.deployment, wanted) for step in steps), default=0)
    return wanted.input_tokens + output


def _usd_nanos(deployment: Deployment, wanted: Requirements) -> int:
    pricing = deployment.pricing
    if pricing is None:
        return 0
    total = (
        wanted.input_tokens * max(pricing.input, pricing.cache_creation)
        + _output(deployment, wanted) * pricing.output
    )
    return -(-total // _TOKENS_PER_PRICE)


def _output(deployment: Deployment, wanted: Requirements) -> int:
    if Capability.EMBEDDINGS in wanted.capabilities:
        return 0
    tokens = wanted.output_tokens or USUAL_OUTPUT_TOKENS
    if deployment.max_output_tokens:
        tokens = min(tokens, deployment.max_output_tokens)
    return tokens * wanted.choice_count
