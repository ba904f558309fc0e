"""A caller of the fault bench: OpenAI's own client, without retries of its own."""

import time
from dataclasses import dataclass

import openai
from openai import AsyncOpenAI

from bench.faults.wire import ANSWER

_MESSAGES = "Say the sixty words."


@dataclass(slots=True)
class Seen:
    """What a caller got for one call.

    Attributes:
        text: What was said.
        calls_tool: Whether the answer called a tool.
        finish_reason: Why it ended; empty if it did not end.
        error: The error's code, or its class where it has none; empty for none.
        status: Of the error, 0 if it came within a stream.
        retry_after: Of the error, as the header has it.
        attempts: How many were made, by the response's header; 0 if unknown.
        cost_usd: What it cost by the usage; None if not said.
        output_tokens: As the usage has it; None if not said.
        usages: How often a usage was said.
        seconds: How long it took.
    """

    text: str = ""
    calls_tool: bool = False
    finish_reason: str = ""
    error: str = ""
    status: int = 0
    retry_after: str = ""
    attempts: int = 0
    cost_usd: float | None = None
    output_tokens: int | None = None
    usages: int = 0
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether the caller holds the complete answer and knows it."""
        return (
            not self.error
            and self.text.strip() == ANSWER.strip()
            and self.finish_reason == "stop"
        )

    @property
    def is_honest(self) -> bool:
        """Whether it is complete, or says that it is not."""
        return self.is_complete or bool(self.error)


async def call(client: AsyncOpenAI, model: str, *, stream: bool) -> Seen:
    """Ask for the sixty words."""
    seen = Seen()
    begun = time.monotonic()
    try:
        if stream:
            await _streamed(client, model, seen)
        else:
            await _whole(client, model, seen)
    except openai.APIStatusError as error:
        seen.error = str(error.code or type(error).__name__)
        seen.status = error.status_code
        seen.retry_after = error.response.headers.get("retry-after", "")
    except openai.APIError as error:
        seen.error = str(error.code or type(error).__name__)
    seen.seconds = time.monotonic() - begun
    return seen


async def _whole(client: AsyncOpenAI, model: str, seen: Seen) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": _MESSAGES}]
    )
    seen.attempts = int(raw.headers.get("x-holdfast-attempts", 0))
    completion = raw.parse()
    choice = completion.choices[0]
    seen.text = choice.message.content or ""
    seen.calls_tool = bool(choice.message.tool_calls)
    seen.finish_reason = choice.finish_reason
    _take_usage(seen, completion.usage)


async def _streamed(client: AsyncOpenAI, model: str, seen: Seen) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model=model,
        messages=[{"role": "user", "content": _MESSAGES}],
        stream=True,
        stream_options={"include_usage": True},
    )
    seen.attempts = int(raw.headers.get("x-holdfast-attempts", 0))
    async for chunk in raw.parse():
        if chunk.usage is not None:
            _take_usage(seen, chunk.usage)
        for choice in chunk.choices:
            seen.text += choice.delta.content or ""
            seen.calls_tool |= bool(choice.delta.tool_calls)
            seen.finish_reason = choice.finish_reason or seen.finish_reason


def _take_usage(seen: Seen, usage: openai.types.CompletionUsage | None) -> None:
    if usage is None:
        return
    seen.usages += 1
    seen.output_tokens = usage.completion_tokens
    cost = (usage.model_extra or {}).get("cost")
    seen.cost_usd = None if cost is None else float(cost)
