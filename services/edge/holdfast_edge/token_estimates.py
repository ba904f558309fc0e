"""How many tokens a request has, estimated: who answers is not known yet."""

from holdfast.model import Capability
from holdfast.ports import ResolveModelRequest, Resolver
from holdfast_edge.chat_request import parse_chat
from holdfast_edge.headers import Head
from holdfast_edge.requirements import requirements


async def input_tokens(
    resolver: Resolver,
    principal: bytes,
    chat: bytes,
    head: Head,
    needs: frozenset[Capability] = frozenset(),
) -> int:
    """Return the estimate that deployments are chosen by.

    Whoever may not use the model learns nothing about it.

    Args:
        resolver: Says who may use what.
        principal: Who asks.
        chat: The request, as a chat.
        head: What it is on the trace of.
        needs: What it needs of a deployment that its chat does not show.

    Raises:
        GatewayError: The request is wrong, or its model may not be used.
    """
    parsed = parse_chat(chat)
    needed = requirements(parsed, chat, needs)
    await resolver.resolve_model(
        ResolveModelRequest(
            principal,
            parsed.model,
            requirements=needed,
            validate_only=True,
            trace_id=head.trace_id,
        )
    )
    return needed.input_tokens
