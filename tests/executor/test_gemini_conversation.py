"""What Gemini is sent of a conversation: turns, parts, calls and their results."""

import base64
from typing import Any

import pytest

from fakes.gemini_chats import (
    FLASH,
    FLASH_ON_VERTEX,
    PIXEL,
    PRO_3,
    call,
    calling,
    encoded,
    kept,
    named,
    result,
    turns,
    user,
)
from holdfast.errors import RequestMalformedError
from holdfast.model import Deployment
from holdfast_executor.dialects import CapabilityMissingError

INLINE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
UNCHECKED = "skip_thought_signature_validator"


def said(role: str, *texts: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"text": text} for text in texts]}


def image(uri: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": uri}}


def file(content: str, name: str = "") -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": content, "filename": name}}


def part_of(content: object, to: Deployment = FLASH) -> Any:
    """Return the one part that is sent for a message's content."""
    (turn,) = turns(user([content]), to=to)
    (part,) = turn["parts"]
    return part


def test_system_text_stands_apart_wherever_it_was_said() -> None:
    """System and developer messages alike."""
    sent = encoded(
        messages=[
            {"role": "system", "content": "Be brief."},
            user("Hello"),
            {"role": "developer", "content": [{"type": "text", "text": "In Latin."}]},
        ]
    )

    assert sent["systemInstruction"] == {
        "parts": [{"text": "Be brief."}, {"text": "In Latin."}]
    }
    assert sent["contents"] == [said("user", "Hello")]


def test_neighbours_of_one_role_are_one_turn() -> None:
    """Gemini's two speakers take turns; the assistant is called model."""
    sent = turns(
        user("a"),
        user("b"),
        {"role": "assistant", "content": "c"},
        {"role": "assistant", "content": "d"},
        user("e"),
    )

    assert sent == [said("user", "a", "b"), said("model", "c", "d"), said("user", "e")]


@pytest.mark.parametrize("content", ["", None, [], [{"type": "text", "text": ""}]])
def test_no_turn_is_empty(content: object) -> None:
    """Gemini refuses a turn without parts, and a part without text."""
    assert turns(user(content)) == [said("user", ".")]


def test_system_text_alone_asks_for_an_answer() -> None:
    """Gemini wants a turn to answer."""
    sent = encoded(messages=[{"role": "system", "content": "Say hi."}])

    assert sent == {"contents": [said("user", "Say hi.")]}


def test_an_answer_that_the_caller_has_begun_is_the_last_turn() -> None:
    """Gemini goes on with it."""
    sent = turns(user("Count."), {"role": "assistant", "content": "One, "})

    assert sent[-1] == said("model", "One, ")


def test_a_refusal_is_what_the_model_has_said() -> None:
    """The model sees that it has refused."""
    message = {"role": "assistant", "content": None, "refusal": "No."}

    assert turns(user("Do."), message)[-1] == said("model", "No.")


def test_a_result_names_the_function_that_was_called() -> None:
    """OpenAI's has the id alone, and Gemini wants the name."""
    sent = turns(user("?"), calling(call("a", '{"city":"Lund"}')), result("a", "14 C"))

    assert sent[1:] == [
        {
            "role": "model",
            "parts": [
                {
                    "functionCall": {
                        "id": "a",
                        "name": "weather",
                        "args": {"city": "Lund"},
                    }
                }
            ],
        },
        {
            "role": "user",
            "parts": [
                {
                    "functionResponse": {
                        "id": "a",
                        "name": "weather",
                        "response": {"output": "14 C"},
                    }
                }
            ],
        },
    ]


def test_results_are_one_turn_in_the_order_of_the_calls() -> None:
    """Whatever order they came in, and whatever was said in between."""
    sent = turns(
        user("?"),
        calling(call("a"), call("b"), call("c")),
        result("c", "3"),
        {"role": "system", "content": "Now."},
        result("a", "1"),
        result("b", "2"),
        user("And?"),
    )

    results = [part["functionResponse"] for part in sent[2]["parts"]]
    assert [one["id"] for one in results] == ["a", "b", "c"]
    assert [one["response"] for one in results] == [
        {"output": "1"},
        {"output": "2"},
        {"output": "3"},
    ]
    # What the user says next is no part of the results' turn.
    assert sent[3:] == [said("user", "And?")]


@pytest.mark.parametrize(
    ("content", "response"),
    [
        ('{"temperature":14}', {"temperature": 14}),
        ("[1]", {"output": "[1]"}),
        ("", {"output": ""}),
        (None, {"output": ""}),
        ([{"type": "text", "text": "14 "}, {"type": "text", "text": "C"}], None),
    ],
)
def test_a_result_is_an_object(content: object, response: object) -> None:
    """One that is no object is its `output`."""
    sent = turns(user("?"), calling(call("a")), result("a", content))

    found = sent[2]["parts"][0]["functionResponse"]["response"]
    assert found == (response or {"output": "14 C"})


def test_a_result_without_its_call_is_the_callers_fault() -> None:
    """Nothing says what function it is of."""
    with pytest.raises(RequestMalformedError) as raised:
        turns(user("?"), result("a"))

    assert raised.value.metadata["field"] == "messages[1].tool_call_id"


def test_calls_of_the_old_kind_and_their_results_belong_together() -> None:
    """`function_call` has no id."""
    sent = turns(
        user("?"),
        {"role": "assistant", "function_call": {"name": "now", "arguments": ""}},
        {"role": "function", "name": "now", "content": "noon"},
    )

    assert sent[1]["parts"] == [{"functionCall": {"name": "now", "args": {}}}]
    assert sent[2]["parts"] == [
        {"functionResponse": {"name": "now", "response": {"output": "noon"}}}
    ]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ("", {}),
        ("null", {}),
        ('{"a":1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ('{"a":', {"_raw": '{"a":'}),
        ("[1]", {"_raw": "[1]"}),
    ],
)
def test_arguments_are_an_object(arguments: object, sent: object) -> None:
    """What is none is kept, so that the model sees what it wrote."""
    found = turns(user("?"), calling(call("a", arguments)), result("a"))

    assert found[1]["parts"][0]["functionCall"]["args"] == sent


def test_a_call_comes_after_a_turn_of_the_users() -> None:
    """Gemini refuses one at the beginning."""
    sent = turns(calling(call("a")), result("a"))

    assert sent[0] == said("user", ".")
    assert [turn["role"] for turn in sent] == ["user", "model", "user"]


def test_a_signature_goes_back_to_its_issuer() -> None:
    """On the very call that it came with."""
    signed = call("a") | kept("c2ln", "gemini-3-pro")

    sent = turns(user("?"), calling(signed, call("b")), to=PRO_3)

    first, second = sent[1]["parts"]
    assert first["thoughtSignature"] == "c2ln"
    assert "thoughtSignature" not in second


def test_the_signature_on_a_text_goes_back_with_it() -> None:
    """On the last part of what was said, before the calls."""
    message = calling(call("a"), content="Well.") | kept("c2ln", "gemini-3-pro")

    sent = turns(user("?"), message, to=PRO_3)

    assert sent[1]["parts"][0] == {"text": "Well.", "thoughtSignature": "c2ln"}


def test_a_signature_that_names_no_issuer_is_googles() -> None:
    """Google's own endpoint writes it so."""
    signed = call("a") | {"extra_content": {"google": {"thought_signature": "c2ln"}}}

    sent = turns(user("?"), calling(signed), to=PRO_3)

    assert sent[1]["parts"][0]["thoughtSignature"] == "c2ln"


@pytest.mark.parametrize("issuer", ["gemini-2.5-flash", "anthropic"])
def test_another_models_signature_is_left_out(issuer: str) -> None:
    """It would be refused as corrupted; Google has a word for a call without."""
    signed = call("a") | kept("c2ln", issuer)

    sent = turns(user("?"), calling(signed, call("b")), to=PRO_3)

    first, second = sent[1]["parts"]
    assert first["thoughtSignature"] == UNCHECKED
    assert "thoughtSignature" not in second


def test_the_second_generation_wants_no_signature() -> None:
    """A call without one is sent without one."""
    sent = turns(user("?"), calling(call("a")))

    assert "thoughtSignature" not in sent[1]["parts"][0]


def test_anothers_thinking_is_left_out() -> None:
    """Claude's blocks and what was shown of any model's thoughts."""
    message = {
        "role": "assistant",
        "content": "Ten.",
        "reasoning_content": "2, 3, 5",
        "thinking_blocks": [{"type": "thinking", "thinking": "2", "signature": "s"}],
    }

    assert turns(user("?"), message)[1] == said("model", "Ten.")


def test_images_as_data_uris_are_sent_whole() -> None:
    """With the media type that they name."""
    assert part_of(image(PIXEL)) == INLINE
    assert part_of({"type": "image_url", "image_url": PIXEL}) == INLINE


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (
            file("data:application/pdf;base64,JVBE"),
            {"mimeType": "application/pdf", "data": "JVBE"},
        ),
        (file("JVBE", "a.PDF"), {"mimeType": "application/pdf", "data": "JVBE"}),
        (
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            {"mimeType": "audio/wav", "data": "UklG"},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
            {"mimeType": "audio/mpeg", "data": "SUQz"},
        ),
        (
            {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
            {"mimeType": "video/mp4", "data": "AAAA"},
        ),
        (
            image("data:image/jpg;base64,/9j/"),
            {"mimeType": "image/jpeg", "data": "/9j/"},
        ),
    ],
)
def test_documents_audio_and_video_are_sent_whole(content: Any, sent: Any) -> None:
    """Gemini takes them all, inline."""
    assert part_of(content) == {"inlineData": sent}


def test_a_file_of_text_is_text() -> None:
    """It needs no medium of its own."""
    encoded_text = base64.b64encode(b"a,b\n1,2").decode()

    assert part_of(file(f"data:text/csv;base64,{encoded_text}")) == {"text": "a,b\n1,2"}


@pytest.mark.parametrize("to", [FLASH, FLASH_ON_VERTEX])
@pytest.mark.parametrize(
    ("uri", "media_type"),
    [
        ("https://a.example/b.png", "image/png"),
        ("https://a.example/b.JPEG?x=1", "image/jpeg"),
        ("https://a.example/b.pdf", "application/pdf"),
        ("https://youtu.be/abc", "video/mp4"),
    ],
)
def test_what_is_on_the_web_is_for_google_to_fetch(
    uri: str, media_type: str, to: Deployment
) -> None:
    """It must be told what it will find, which the address says."""
    assert part_of(image(uri), to) == {
        "fileData": {"fileUri": uri, "mimeType": media_type}
    }


UPLOADED = "https://generativelanguage.googleapis.com/v1beta/files/abc"


def test_what_is_stored_with_google_is_named() -> None:
    """In a bucket for Vertex, uploaded for the Gemini API."""
    bucket = part_of(file("gs://b/a.mp4"), FLASH_ON_VERTEX)
    uploaded = part_of(file(UPLOADED), FLASH)

    assert bucket == {"fileData": {"fileUri": "gs://b/a.mp4", "mimeType": "video/mp4"}}
    assert uploaded == {"fileData": {"fileUri": UPLOADED}}


@pytest.mark.parametrize(
    ("content", "to"),
    [
        (image("gs://b/a"), FLASH_ON_VERTEX),
        (image("data:image/gif;base64,R0lG"), FLASH),
        (image("data:image/svg+xml;base64,R0lG"), FLASH),
        (image("ftp://a.example/b.png"), FLASH),
        (image("data:image/png,abc"), FLASH),
        (file("gs://b/a.mp4"), FLASH),
        (file(UPLOADED), FLASH_ON_VERTEX),
        ({"type": "file", "file": {"file_id": "file-1"}}, FLASH),
        ({"type": "hologram"}, FLASH),
    ],
)
def test_what_gemini_cannot_read_is_for_another_deployment(
    content: Any, to: Deployment
) -> None:
    """It is no fault of the caller's."""
    with pytest.raises(CapabilityMissingError) as raised:
        part_of(content, to)

    assert raised.value.param.startswith("messages[0].content[0]")


def test_media_in_a_result_stay_in_it() -> None:
    """The third generation takes them there."""
    content = [{"type": "text", "text": "Here."}, image(PIXEL)]

    sent = turns(user("?"), calling(call("a")), result("a", content), to=PRO_3)

    found = sent[2]["parts"][0]["functionResponse"]
    assert found["parts"] == [INLINE]
    assert found["response"] == {"output": "Here."}
    assert len(sent) == 3


def test_media_in_a_result_come_after_the_results() -> None:
    """An older model takes them from the user alone."""
    sent = turns(
        user("?"),
        calling(call("a"), call("b")),
        result("a", [image(PIXEL)]),
        result("b"),
        user("Well?"),
    )

    assert [list(part) for part in sent[2]["parts"]] == [["functionResponse"]] * 2
    assert sent[3]["parts"] == [INLINE, {"text": "Well?"}]


def test_media_are_no_system_message() -> None:
    """Gemini takes text alone there."""
    with pytest.raises(CapabilityMissingError):
        encoded(messages=[{"role": "system", "content": [image(PIXEL)]}])


def test_gemma_is_sent_the_plainest_form() -> None:
    """Nothing is known of what else it takes."""
    sent = encoded(
        named("gemma-4-31b-it"),
        messages=[user("?"), calling(call("a"))],
        reasoning_effort="high",
        presence_penalty=1,
    )

    assert "thoughtSignature" not in sent["contents"][1]["parts"][0]
    assert "thinkingConfig" not in sent.get("generationConfig", {})
