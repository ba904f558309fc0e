"""A conversation made shorter, and gone on from."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from fakes.administration import MemoryAdministration
from fakes.ledgers import LedgerThatAnswers
from fakes.memory_responses import MemoryResponses
from fakes.services import KEY, MODEL, AnsweringExecutor, ResolverOfOneKey
from holdfast_edge.app import create_app

SUMMARY = "The user wants the weather of Paris; it is sunny."
SAYS = {"role": "user", "content": "Weather in Paris?"}
ANSWERS = {"role": "assistant", "content": "It is sunny."}
CALL = {
    "type": "function_call",
    "call_id": "c1",
    "name": "weather",
    "arguments": '{"place":"Paris"}',
}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "Sunny"}
PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,SECRET"}


@dataclass
class Compacting:
    """A client, and the executor behind what it calls."""

    client: httpx.AsyncClient
    executor: AnsweringExecutor

    async def post(self, path: str = "/compact", **asked: Any) -> httpx.Response:
        body = {"model": MODEL, **asked}
        return await self.client.post(f"/v1/responses{path}", json=body)

    @property
    def sent(self) -> dict[str, Any]:
        """The last chat that was carried out."""
        chat: dict[str, Any] = json.loads(self.executor.asked[-1].body)
        return chat


def _completion(finish_reason: str = "stop", **message: Any) -> bytes:
    message = {"role": "assistant", "content": SUMMARY, **message}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59}
    said = {"id": "c", "object": "chat.completion", "created": 7, "model": MODEL}
    return json.dumps({**said, "choices": [choice], "usage": usage}).encode()


async def _ready() -> bool:
    return True


@pytest.fixture
def completion() -> bytes:
    """Give what the model answers."""
    return _completion()


@pytest.fixture
async def edge(completion: bytes) -> AsyncIterator[Compacting]:
    """Give an edge in front of a model that writes a summary."""
    executor = AnsweringExecutor(completion=completion)
    app = create_app(
        ResolverOfOneKey(),
        executor,
        MemoryAdministration(),
        LedgerThatAnswers(),
        ready=_ready,
        responses=MemoryResponses(),
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://edge",
        headers={"x-api-key": KEY},
    ) as client:
        yield Compacting(client, executor)


async def test_what_was_said_to_the_model_stays_and_the_rest_is_a_summary(
    edge: Compacting,
) -> None:
    """All messages but the model's, and one item for what is left out."""
    rule = {"role": "developer", "content": [{"type": "input_text", "text": "Brief."}]}
    answered = await edge.post(input=[rule, SAYS, CALL, RESULT, ANSWERS])

    compacted = answered.json()
    *said, summarized = compacted["output"]
    assert (compacted["object"], compacted["created_at"]) == ("response.compaction", 7)
    assert [item["role"] for item in said] == ["developer", "user"]
    assert said[0]["content"] == rule["content"]
    assert said[1]["content"] == [{"type": "input_text", "text": SAYS["content"]}]
    assert summarized.keys() == {"id", "type", "encrypted_content"}
    assert len({item["id"] for item in compacted["output"]}) == 3
    assert compacted["usage"]["total_tokens"] == 59


async def test_the_model_reads_all_of_it_as_one_record(edge: Compacting) -> None:
    """Calls and results are told, pictures are only named."""
    shown = {"role": "user", "content": [PICTURE]}
    await edge.post(input=[SAYS, CALL, RESULT, ANSWERS, shown], instructions="Be kind.")

    system, record = edge.sent["messages"]
    assert system["role"] == "system"
    assert [json.loads(line) for line in record["content"].split("\n")] == [
        {"instructions": "Be kind."},
        {"user": "Weather in Paris?"},
        {"call": "c1", "name": "weather", "arguments": '{"place":"Paris"}'},
        {"result_of": "c1", "output": "Sunny"},
        {"assistant": "It is sunny."},
        {"user": "[input_image]"},
    ]


async def test_what_a_providers_own_tools_did_is_told_as_text(edge: Compacting) -> None:
    """Without pictures, and without what only the provider can read."""
    searched = {"query": "weather paris", "type": "search"}
    items: list[dict[str, Any]] = [
        {"type": "web_search_call", "id": "ws_1", "action": searched},
        {"type": "image_generation_call", "id": "ig_1", "result": "AAAA"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "sh", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "a.txt"},
    ]

    await edge.post(input=[SAYS, *items])

    _, record = edge.sent["messages"]
    assert [json.loads(line) for line in record["content"].split("\n")[1:]] == [
        {"web_search_call": {"action": {"query": "weather paris"}}},
        {"image_generation_call": {}},
        {"custom_tool_call": {"call_id": "c2", "name": "sh", "input": "ls"}},
        {"custom_tool_call_output": {"call_id": "c2", "output": "a.txt"}},
    ]


async def test_what_is_compacted_is_gone_on_from(edge: Compacting) -> None:
    """The next request's model reads the messages, the summary, and what is new."""
    compacted = (await edge.post(input=[SAYS, CALL, RESULT, ANSWERS])).json()
    then = {"role": "user", "content": "And tomorrow?"}

    answered = await edge.post("", input=[*compacted["output"], then])

    said, summary, new = edge.sent["messages"]
    assert answered.status_code == 200
    assert said["content"] == [{"type": "text", "text": SAYS["content"]}]
    assert summary["role"] == "user"
    assert summary["content"].endswith(SUMMARY)
    assert new == then


async def test_a_kept_conversation_is_compacted_by_its_last_response(
    edge: Compacting,
) -> None:
    """Nothing has to be sent again."""
    first = (await edge.post("", input="Weather in Paris?")).json()

    answered = await edge.post(previous_response_id=first["id"])

    *said, summarized = answered.json()["output"]
    assert [item["content"][0]["text"] for item in said] == ["Weather in Paris?"]
    assert summarized["type"] == "compaction"
    assert SUMMARY in edge.sent["messages"][1]["content"]


async def test_what_is_compacted_again_has_one_summary(edge: Compacting) -> None:
    """The one before is part of the record, and no message."""
    first = (await edge.post(input=[SAYS, ANSWERS])).json()
    then = {"role": "user", "content": "And tomorrow?"}

    again = (await edge.post(input=[*first["output"], then, ANSWERS])).json()

    kinds = [item["type"] for item in again["output"]]
    assert kinds == ["message", "message", "compaction"]
    assert "summary_so_far" in edge.sent["messages"][1]["content"]


async def test_a_call_without_its_result_cannot_be_compacted(edge: Compacting) -> None:
    """Its result would belong to nothing afterwards."""
    refused = await edge.post(input=[SAYS, CALL])

    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "input"
    assert not edge.executor.asked


@pytest.mark.parametrize(
    "completion",
    [
        _completion("length"),
        _completion("content_filter"),
        _completion(content=None),
        _completion(content=None, refusal="I would rather not."),
    ],
)
async def test_half_a_summary_is_none(edge: Compacting) -> None:
    """The caller still has all items, and is told."""
    refused = await edge.post(input=[SAYS, ANSWERS])

    assert refused.status_code == 502
    assert refused.json()["error"]["code"] == "all_attempts_failed"


@pytest.mark.parametrize(
    "content", ["gAAAAABother", "holdfast:", "holdfast:e30=", None, 7]
)
async def test_what_others_compacted_is_refused(
    edge: Compacting, content: str | None
) -> None:
    """Nobody else can read it, and going on without it would be another answer."""
    item = {"type": "compaction", "encrypted_content": content}

    refused = await edge.post("", input=[item, SAYS])

    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "input[0].encrypted_content"
    assert not edge.executor.asked


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "input"),
        ({"input": [{"type": "odd"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
        ({"input": "Hi", "instructions": 7}, "instructions"),
        ({"input": "Hi", "model": None}, "model"),
        ({"input": "Hi", "previous_response_id": "resp_no"}, "previous_response_id"),
    ],
)
async def test_a_fault_is_named(
    edge: Compacting, asked: dict[str, Any], field: str
) -> None:
    """As in a request for a response."""
    refused = await edge.post(**asked)

    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == field
