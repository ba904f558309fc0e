"""How messages, and what they hold, are worded for Bedrock."""

import base64
import json

import pytest

from fakes.anthropic_chats import WEATHER, call
from fakes.bedrock_chats import (
    HELLO,
    MARK,
    NOVA,
    PDF,
    PNG,
    QWEN,
    USED,
    converse,
    file,
    invoke,
    named,
    said,
    user,
)
from holdfast_executor.dialects import CapabilityMissingError

POINT = {"cachePoint": {"type": "default"}}


class TestConversation:
    def test_system_text_stands_apart(self) -> None:
        """Whatever its place; neighbours of one role are one turn."""
        sent = converse(
            messages=[
                {"role": "user", "content": "a"},
                {"role": "developer", "content": "s"},
                {"role": "user", "content": "b"},
            ]
        )

        assert sent["system"] == [{"text": "s"}]
        assert sent["messages"] == [
            {"role": "user", "content": [{"text": "a"}, {"text": "b"}]}
        ]

    def test_a_conversation_begins_with_the_user(self) -> None:
        """Bedrock refuses one that does not, as after old turns were cut off."""
        messages = said({"role": "assistant", "content": "Hi."}, *HELLO)

        assert [each["role"] for each in messages] == ["user", "assistant", "user"]

    def test_a_turn_that_says_nothing_still_says_something(self) -> None:
        """Empty content is refused."""
        assert said({"role": "user", "content": ""})[0]["content"] == [{"text": "."}]

    def test_results_come_together_in_the_turn_after_the_calls(self) -> None:
        """Several results are one message, before any words."""
        messages = said(
            *HELLO,
            {"role": "assistant", "tool_calls": [call("c1"), call("c2", "")]},
            {"role": "tool", "tool_call_id": "c1", "content": "sun"},
            {"role": "tool", "tool_call_id": "c2", "content": ""},
            {"role": "user", "content": "And?"},
        )

        assert messages[1]["content"] == [
            {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {}}},
            {"toolUse": {"toolUseId": "c2", "name": "weather", "input": {}}},
        ]
        assert messages[2]["content"] == [
            {"toolResult": {"toolUseId": "c1", "content": [{"text": "sun"}]}},
            {"toolResult": {"toolUseId": "c2", "content": [{"text": "."}]}},
            {"text": "And?"},
        ]

    @pytest.mark.parametrize("tool_id", ["x" * 65, "call|1/å", "", "functions.f:0"])
    def test_ids_of_other_providers_are_rewritten_alike(self, tool_id: str) -> None:
        """At most 64 characters of a few kinds; call and result still agree."""
        _, asked, told = said(
            *HELLO,
            {"role": "assistant", "tool_calls": [call(tool_id)]},
            {"role": "tool", "tool_call_id": tool_id, "content": "sun"},
        )

        used = asked["content"][0]["toolUse"]["toolUseId"]
        assert used == told["content"][0]["toolResult"]["toolUseId"]

    def test_arguments_that_are_no_object_are_kept(self) -> None:
        """Cut-off arguments are common, and no cause to refuse the request."""
        messages = said(
            *HELLO, {"role": "assistant", "tool_calls": [call("c", '{"ci')]}, *USED[2:]
        )

        assert messages[1]["content"][0]["toolUse"]["input"] == {"_raw": '{"ci'}

    def test_thinking_goes_back_to_its_issuer(self) -> None:
        """Signed by Anthropic, wherever it was served; another's is left out."""
        turn = {
            "role": "assistant",
            "content": "Ten.",
            "thinking_blocks": [
                {
                    "type": "thinking",
                    "thinking": "2, 3",
                    "signature": "c2ln",
                    "issuer": "anthropic",
                },
                {"type": "redacted_thinking", "data": "b3Bh", "issuer": "anthropic"},
                {"type": "thinking", "thinking": "x", "signature": "y", "issuer": "z"},
            ],
        }

        _, kept, _ = said(*HELLO, turn, *HELLO)
        _, dropped, _ = said(*HELLO, turn, *HELLO, deployment=NOVA)

        redacted = base64.b64encode(b"b3Bh").decode()
        assert kept["content"] == [
            {
                "reasoningContent": {
                    "reasoningText": {"text": "2, 3", "signature": "c2ln"}
                }
            },
            {"reasoningContent": {"redactedContent": redacted}},
            {"text": "Ten."},
        ]
        assert dropped["content"] == [{"text": "Ten."}]

    def test_a_prefix_is_refused_by_claude_from_46_on(self) -> None:
        """Others are asked, and may refuse themselves."""
        begun = [*HELLO, {"role": "assistant", "content": "It is "}]

        assert said(*begun, deployment=NOVA)[-1]["content"] == [{"text": "It is"}]
        with pytest.raises(CapabilityMissingError):
            said(*begun, deployment=named("eu.anthropic.claude-opus-4-6-v1"))


class TestContent:
    @pytest.mark.parametrize(
        ("uri", "kind"),
        [
            (PNG, "png"),
            ("data:image/jpg;base64,aaaa", "jpeg"),
            ("data:image/webp;base64,aaaa", "webp"),
        ],
    )
    def test_images_are_sent_in_base64(self, uri: str, kind: str) -> None:
        """As the bytes of AWS's JSON are."""
        part = {"type": "image_url", "image_url": {"url": uri}}

        [message] = said(user(part))

        data = uri.partition(",")[2]
        assert message["content"] == [
            {"image": {"format": kind, "source": {"bytes": data}}}
        ]

    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (PDF, "pdf"),
            ("data:text/csv;base64,YSxi", "csv"),
            ("data:text/x-log;base64,YSxi", "txt"),
            (
                "data:application/vnd.ms-excel;base64,UEsD",
                "xls",
            ),
        ],
    )
    def test_documents(self, data: str, kind: str) -> None:
        """More kinds than Claude takes elsewhere; text stands beside each."""
        [message] = said(user(file(data, "plan.pdf")))

        document, text = message["content"]
        assert document["document"]["format"] == kind
        assert document["document"]["source"] == {"bytes": data.partition(",")[2]}
        assert text == {"text": "."}

    def test_document_names_hold_what_aws_allows_and_differ(self) -> None:
        """Letters, digits, single spaces, hyphens, parentheses and brackets."""
        [message] = said(
            user(
                *(file(PDF, name) for name in ("a_b  å.pdf", "a b.pdf", "", "a b pdf")),
                {"type": "text", "text": "Compare."},
            )
        )

        names = [
            block["document"]["name"]
            for block in message["content"]
            if "document" in block
        ]
        assert names == ["a b pdf", "a b pdf (2)", "Document", "a b pdf (4)"]
        assert message["content"][-1] == {"text": "Compare."}

    def test_files_of_unknown_kinds_are_left_to_another_deployment(self) -> None:
        """As are sound and film."""
        for part in (
            file("data:application/zip;base64,UEsD"),
            {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        ):
            with pytest.raises(CapabilityMissingError):
                said(user(part))

    def test_marks_become_cache_points_after_what_they_mark(self) -> None:
        """In system, messages and tools; an hour where it is asked for."""
        hour = {"type": "ephemeral", "ttl": "1h"}
        sent = converse(
            messages=[
                {"role": "system", "content": "s", "cache_control": hour},
                user({"type": "text", "text": "a", "cache_control": MARK}),
                *USED[1:2],
                {**USED[2], "content": [{"type": "text", "text": "x"}]}
                | {"cache_control": MARK},
            ],
            tools=[{**WEATHER, "cache_control": MARK}],
        )

        assert sent["system"] == [
            {"text": "s"},
            {"cachePoint": {"type": "default", "ttl": "1h"}},
        ]
        assert sent["messages"][0]["content"] == [{"text": "a"}, POINT]
        assert sent["messages"][2]["content"][1] == POINT
        assert sent["toolConfig"]["tools"][1] == POINT

    def test_a_mark_within_a_tools_result_stands_after_it(self) -> None:
        """No cache point may stand in a result."""
        inner = [{"type": "text", "text": "x", "cache_control": MARK}]

        messages = said(*USED[:2], {**USED[2], "content": inner})

        result, point = messages[2]["content"]
        assert result["toolResult"]["content"] == [{"text": "x"}]
        assert point == POINT

    def test_a_mark_of_the_whole_request_stands_at_its_end(self) -> None:
        """Anthropic's way of caching as much as there is."""
        assert converse(cache_control=MARK)["messages"][0]["content"][1] == POINT
        sent = invoke(cache_control=MARK)
        assert "cache_control" not in sent
        assert sent["messages"][0]["content"][0]["cache_control"] == MARK

    def test_models_without_a_cache_get_no_cache_points(self) -> None:
        """Nova's stands in words alone, open weights have none."""
        marked = {
            "messages": [user({"type": "text", "text": "a", "cache_control": MARK})],
            "tools": [{**WEATHER, "cache_control": MARK}],
        }

        assert json.dumps(converse(NOVA, **marked)).count("cachePoint") == 1
        assert "cachePoint" not in json.dumps(converse(QWEN, **marked))
