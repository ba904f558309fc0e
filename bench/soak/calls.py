"""The callers of the soak: every surface, whole and streamed, some leave; edits.

To add a kind of call, add a row to `KINDS`.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bench.soak.ground import ADMIN_KEY, CHAT, FORM, KEY, SEED

_AT_ONCE = 16
_CONVERSATIONS = 5_000
_TIMEOUT_S = 60.0

_ASKED = "Say the sixty words."
_SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}

Body = dict[str, Any]


def _chat(said: str) -> Body:
    messages = [{"role": "system", "content": said}, _user()]
    return {"model": CHAT, "messages": messages}


def _streamed(said: str) -> Body:
    return {**_chat(said), "stream": True}


def _form(said: str) -> Body:
    form = {"name": "word", "schema": _SCHEMA, "strict": True}
    written = {"type": "json_schema", "json_schema": form}
    return {**_chat(said), "model": FORM, "response_format": written}


def _message(said: str) -> Body:
    return {"model": CHAT, "max_tokens": 500, "system": said, "messages": [_user()]}


def _message_streamed(said: str) -> Body:
    return {**_message(said), "stream": True}


def _response(said: str) -> Body:
    return {"model": CHAT, "instructions": said, "input": _ASKED}


def _response_streamed(said: str) -> Body:
    return {**_response(said), "stream": True}


def _user() -> dict[str, str]:
    return {"role": "user", "content": _ASKED}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of call.

    Attributes:
        weight: How often it is made, beside the others.
        ends: What a streamed answer that is whole has near its end.
        leaves: Whether the caller goes away after the first byte.
    """

    name: str
    weight: int
    path: str
    body: Callable[[str], Body]
    ends: bytes = b""
    leaves: bool = False


_CHATS = "/v1/chat/completions"
KINDS: tuple[Kind, ...] = (
    Kind("chat", 8, _CHATS, _chat),
    Kind("chat, streamed", 5, _CHATS, _streamed, b"data: [DONE]"),
    Kind("chat, left in the middle", 2, _CHATS, _streamed, leaves=True),
    Kind("chat, JSON by a schema", 3, _CHATS, _form),
    Kind("Messages", 2, "/v1/messages", _message),
    Kind("Messages, streamed", 2, "/v1/messages", _message_streamed, b"message_stop"),
    Kind("Responses", 2, "/v1/responses", _response),
    Kind(
        "Responses, streamed",
        2,
        "/v1/responses",
        _response_streamed,
        b"response.completed",
    ),
    Kind("Responses, left", 1, "/v1/responses", _response_streamed, leaves=True),
)

EDITS = "an alias made, changed and deleted"
_EDIT_PAUSE_S = 0.5


@dataclass(slots=True)
class Calls:
    """The callers, and what came of their calls.

    Attributes:
        ended: How many calls of a kind ended so, by kind and end.
    """

    url: str
    ended: dict[str, Counter[str]] = field(default_factory=dict)
    made: int = 0
    _over: bool = False

    def stop(self) -> None:
        """Begin no more calls."""
        self._over = True

    async def run(self) -> None:
        """Call until stopped."""
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._editor(session))
            for seed in range(_AT_ONCE):
                group.create_task(self._caller(session, seed))

    async def _caller(self, session: aiohttp.ClientSession, seed: int) -> None:
        chance = random.Random(SEED + seed)  # noqa: S311 - to be repeated
        weights = [kind.weight for kind in KINDS]
        while not self._over:
            kind = chance.choices(KINDS, weights)[0]
            said = f"conversation {chance.randrange(_CONVERSATIONS)}"
            self.made += 1
            try:
                end = await self._call(session, kind, said)
            except (aiohttp.ClientError, TimeoutError) as error:
                end = type(error).__name__
            self._note(kind.name, end)

    async def _call(self, session: aiohttp.ClientSession, kind: Kind, said: str) -> str:
        async with session.post(
            self.url + kind.path, json=kind.body(said), headers=_shown(KEY)
        ) as response:
            if kind.leaves:
                await response.content.read(1)
                response.close()
                return "left"
            content = await response.read()
        if response.status != 200:
            return str(response.status)
        if kind.ends and kind.ends not in content[-2_000:]:
            return "broken off, and said so" if b"error" in content else "cut short"
        return "whole"

    async def _editor(self, session: aiohttp.ClientSession) -> None:
        """Make an alias, change it and delete it, again and again."""
        url = f"{self.url}/v2/models/aliases"
        number = 0
        while not self._over:
            await asyncio.sleep(_EDIT_PAUSE_S)
            number += 1
            name = f"soak-alias-{number}"
            alias = {"name": name, "fallback_models": [CHAT]}
            async with session.post(url, json=alias, headers=_shown(ADMIN_KEY)) as made:
                status, written = made.status, await made.json()
            if status < 300:
                one = f"{url}/{written['id']}"
                change = {"description": "changed"}
                async with session.patch(
                    one, json=change, headers=_shown(ADMIN_KEY)
                ) as changed:
                    status = max(status, changed.status)
                async with session.delete(one, headers=_shown(ADMIN_KEY)) as deleted:
                    status = max(status, deleted.status)
            self._note(EDITS, "whole" if status < 300 else str(status))

    def _note(self, kind: str, end: str) -> None:
        self.ended.setdefault(kind, Counter())[end] += 1


def _shown(key: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {key}"}
