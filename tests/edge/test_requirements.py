"""What a chat needs of the deployment that answers it."""

import json
from typing import Any

import pytest

from holdfast.model import Capability, Requirements
from holdfast_edge.chat_request import parse_chat
from holdfast_edge.requirements import prompt_cache_s, requirements

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def needs(content: Any = "Hi", **body: Any) -> Requirements:
    written = json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": content}], **body}
    ).encode()
    return requirements(parse_chat(written), written)


@pytest.mark.parametrize(
    ("chat", "capability"),
    [
        ({"tools": [{"type": "function"}]}, Capability.TOOLS),
        ({"functions": [{"name": "f"}]}, Capability.TOOLS),
        ({"content": [IMAGE]}, Capability.IMAGE_INPUT),
        (
            {"content": [{"type": "input_audio", "input_audio": {"data": "AA"}}]},
            Capability.AUDIO_INPUT,
        ),
        (
            {"content": [{"type": "file", "file": {"file_data": "AA"}}]},
            Capability.PDF_INPUT,
        ),
        (
            {"content": [{"type": "video_url", "video_url": {"url": "u"}}]},
            Capability.VIDEO_INPUT,
        ),
    ],
)
def test_needs_what_it_uses(chat: dict[str, Any], capability: Capability) -> None:
    """Tools and media each ask for their capability, and no other."""
    assert needs(**chat).capabilities == {capability}


@pytest.mark.parametrize(
    "chat",
    [
        {},
        {"tools": []},
        {"tools": None},
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        {"content": 'what is "image_url" for?'},
        {"content": [{"type": "text", "text": '"image_url"'}]},
        {"metadata": {"image_url": "u"}},
    ],
)
def test_needs_nothing_it_only_speaks_of(chat: dict[str, Any]) -> None:
    """A word in a text is no use of it."""
    assert not needs(**chat).capabilities


def test_estimates_text_by_its_length() -> None:
    """Four bytes are about a token."""
    assert 1_000 <= needs("word " * 800).input_tokens < 1_030


def test_does_not_count_an_image_by_its_bytes() -> None:
    """A large image takes as many tokens as a small one."""
    large = {"type": "image_url", "image_url": {"url": "data:," + "A" * 1_000_000}}

    assert needs([large]).input_tokens == needs([IMAGE]).input_tokens < 1_000


def test_does_not_count_how_a_character_is_written() -> None:
    """Escapes take six bytes and are a character."""
    assert needs("é" * 1_000).input_tokens < 600


@pytest.mark.parametrize(
    ("asked", "tokens"),
    [
        ({}, 0),
        ({"max_tokens": 5}, 5),
        ({"max_tokens": 5, "max_completion_tokens": 7}, 7),
        ({"max_tokens": -5}, 0),
        ({"max_tokens": 10**30}, 2**31 - 1),
    ],
)
def test_asks_for_the_output_it_wants(asked: dict[str, int], tokens: int) -> None:
    """The newer field wins; what is out of range is brought into it."""
    assert needs(**asked).output_tokens == tokens


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (b'{"cache_control":{"type":"ephemeral"}}', 0),
        (b'{"cache_control":{"type":"ephemeral","ttl":"5m"}}', 300),
        (b'{"cache_control":{"type":"ephemeral","ttl" : "1h"}}', 3_600),
        (b'{"a":{"ttl":"5m"},"b":{"ttl":"1h"}}', 3_600),
        (b'{"prompt_cache_retention":"24h"}', 86_400),
        (b'{"prompt_cache_retention":"in_memory"}', 0),
        (b'{"ttl":"0h"}', 0),
        (b'{"ttl":"soon"}', 0),
    ],
)
def test_how_long_a_prompt_is_to_be_cached_is_read_from_the_request(said, seconds):
    """The longest of what it says, whoever's way of saying it."""
    assert prompt_cache_s(said) == seconds
