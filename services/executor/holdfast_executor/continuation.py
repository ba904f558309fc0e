"""How a streamed answer that broke off is taken up by another deployment.

Two ways are honest. One continues: a deployment that takes the beginning of an
answer is asked for the rest. The other replays: the request is made anew, and what
comes is held back for as long as it repeats what the caller has, to the letter.
Neither will do where part of a tool call, of structured output or of one of several
answers has gone out: two halves of those do not make a whole.
"""

import dataclasses
from enum import Enum
from typing import Any

import msgspec

from holdfast.delivered import BEGIN, END, Held, chunks, obstacle
from holdfast_executor.chat import Chat

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_TEXT_FORMATS = (None, "text")
"""Values of `response_format.type` under which an answer is words."""


class Way(Enum):
    """How an answer is taken up."""

    CONTINUE = "continue"
    REPLAY = "replay"


def may_be_taken_up(chat: Chat) -> bool:
    """Tell whether an answer to a request is one text, as far as the request says."""
    request = chat.parsed
    format_ = request.get("response_format")
    kind = format_.get("type") if isinstance(format_, dict) else None
    return (
        request.get("n") in (None, 1)
        and kind in _TEXT_FORMATS
        and not request.get("logprobs")
        and request.get("modalities") in (None, ["text"])
    )


def continued(chat: Chat, text: str, tokens: int) -> Chat:
    """Ask for the rest of an answer.

    Args:
        chat: What was asked.
        text: The answer's beginning. Space at its end is left out: models refuse
            it, and write it again.
        tokens: About how many those are, to leave so many fewer to the rest.
    """
    fields = dict(chat.fields)
    messages = bytes(fields["messages"]).rstrip()
    last = _encode({"role": "assistant", "content": text.rstrip()})
    fields["messages"] = msgspec.Raw(messages[:-1] + b"," + last + b"]")
    for name in ("max_tokens", "max_completion_tokens"):
        most = _decode(fields[name]) if name in fields else None
        if isinstance(most, int):
            fields[name] = msgspec.Raw(_encode(max(1, most - tokens)))
    rest = Chat.parse(_encode(fields), translated=chat.translated)
    return dataclasses.replace(rest, media=chat.media)


class Splice:
    """Fits the events of a further stream to what the caller holds.

    Attributes:
        way: How the answer is taken up.
        has_joined: Whether what comes now is new to the caller.
        differs: Whether the stream says something else, so that it is of no use.
        pieces: How many deltas have said something, about a token each.
    """

    def __init__(self, held: Held, way: Way) -> None:
        self.way = way
        self.pieces = 0
        self.has_joined = False
        self.differs = False
        self._held = held
        # What the further stream will say again, as far as it is known: all of
        # it, or the space that was left out of the beginning it was given.
        rest = len(held.text.rstrip()) if way is Way.CONTINUE else 0
        self._again = held.text[rest:]
        self._must_repeat = way is Way.REPLAY
        self._said = ""

    def take(self, events: bytes) -> bytes:
        """Take whole events; return those that the caller is to get."""
        if self.differs:
            return b""
        written = []
        for chunk in chunks(events):
            choices = [
                fitted
                for choice in chunk.get("choices", ())
                if (fitted := self._choice(choice)) is not None
            ]
            if self.differs:
                break
            if choices:
                chunk.update(
                    id=self._held.answer_id,
                    created=self._held.created,
                    choices=choices,
                )
                written.append(BEGIN + _encode(chunk) + END)
        return b"".join(written)

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any] | None:
        """Fit one choice; None if nothing of it is new."""
        delta = dict(choice.get("delta") or {})
        delta.pop("role", None)
        # What is signed or encrypted is of an answer that the caller does not have.
        delta.pop("extra_content", None)
        finish_reason = choice.get("finish_reason")
        delta["content"] = self._new(delta.get("content") or "")
        if not delta["content"]:
            del delta["content"]
        if not self.has_joined and (finish_reason or obstacle(choice, delta)):
            # There are no more words: they have all been said again, or never are.
            self.has_joined = True
            self.differs = self._must_repeat and self._said != self._again
        if not self.has_joined:
            # The reasoning that led to what the caller has is not told twice.
            return None
        if not finish_reason and not any(delta.values()):
            return None
        return {**choice, "delta": delta}

    def _new(self, content: str) -> str:
        """Return what of a text the caller does not have."""
        self.pieces += bool(content)
        if self.has_joined or not content:
            return content
        self._said += content
        if len(self._said) <= len(self._again):
            if not self._again.startswith(self._said):
                return self._parted()
            return ""
        if not self._said.startswith(self._again):
            return self._parted()
        self.has_joined = True
        return self._said[len(self._again) :]

    def _parted(self) -> str:
        """Go on where the streams part: only space may be said otherwise."""
        if self._must_repeat:
            self.differs = True
            return ""
        self.has_joined = True
        return self._said.lstrip() if self._again else self._said
