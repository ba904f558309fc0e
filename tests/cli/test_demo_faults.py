"""How simulated providers fail, as a caller sees it."""

import json
from typing import Any

import anthropic
import httpx
import openai
import pytest

from fakes.demo_calls import HI, MODEL, chunks
from fakes.provider import SimulatedProviders
from holdfast_cli.demo.faults import FAULTS, Behaviour

FORM = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
}


def _formed(sim: SimulatedProviders, dialect: str, *, stream: bool) -> str:
    """Ask for JSON in a form; return what is said."""
    asked: dict[str, Any] = {"model": MODEL, "messages": HI, "stream": stream}
    if dialect == "openai-chat":
        named = {"name": "n", "schema": FORM}
        asked["response_format"] = {"type": "json_schema", "json_schema": named}
        path = "/chat/completions"
    else:
        wanted = {"type": "json_schema", "schema": FORM}
        asked |= {"max_tokens": 99, "output_config": {"format": wanted}}
        path = "/v1/messages"
    uri, headers = sim.base_uri("aws", dialect) + path, {"anthropic-version": "1"}
    answered = httpx.post(uri, json=asked, headers=headers)
    assert answered.status_code == 200, answered.text
    if not stream:
        whole = answered.json()
        message = whole["choices"][0]["message"] if "choices" in whole else whole
        content = message["content"]
        return str(content if isinstance(content, str) else content[0]["text"])
    events = [
        json.loads(line.removeprefix("data: "))
        for line in answered.text.splitlines()
        if line.startswith("data: {")
    ]
    if dialect == "openai-chat":
        deltas = [each["choices"][0]["delta"] for each in events if each["choices"]]
        return "".join(delta.get("content") or "" for delta in deltas)
    return "".join(each.get("delta", {}).get("text", "") for each in events)


UNFIT = {name for name, fault in FAULTS.items() if fault.behaviour is Behaviour.UNFIT}
STATUSES = {name: fault.status for name, fault in FAULTS.items() if fault.status != 200}


class TestFaults:
    @pytest.mark.parametrize(("fault", "status"), STATUSES.items())
    @pytest.mark.parametrize("stream", [False, True])
    def test_an_error_status(
        self,
        sim: SimulatedProviders,
        gpt: openai.OpenAI,
        fault: str,
        status: int,
        stream: bool,
    ) -> None:
        """Errors come before a stream begins, with OpenAI's body."""
        sim.fail("aws", fault)
        with pytest.raises(openai.APIStatusError) as caught:
            gpt.chat.completions.create(model=MODEL, messages=HI, stream=stream)

        assert caught.value.status_code == status
        assert caught.value.body is not None

    @pytest.mark.parametrize(
        ("fault", "status"),
        [each for each in STATUSES.items() if each[0] != "filtered"],
    )
    def test_an_error_status_of_anthropics(
        self,
        sim: SimulatedProviders,
        claude: anthropic.Anthropic,
        fault: str,
        status: int,
    ) -> None:
        """The same errors in Anthropic's format."""
        sim.fail("anthropic", fault)
        with pytest.raises(anthropic.APIStatusError) as caught:
            claude.messages.create(model=MODEL, messages=HI, max_tokens=9)

        assert caught.value.status_code == status
        assert isinstance(caught.value.body, dict)
        assert caught.value.body["error"]["type"] == FAULTS[fault].anthropic

    def test_retry_after(self, sim: SimulatedProviders, gpt: openai.OpenAI) -> None:
        """An error carries the headers it was given."""
        sim.fail("aws", "429", retry_after=7, headers={"retry-after-ms": "7000"})
        with pytest.raises(openai.RateLimitError) as caught:
            gpt.chat.completions.create(model=MODEL, messages=HI)

        headers = caught.value.response.headers
        assert (headers["retry-after"], headers["retry-after-ms"]) == ("7", "7000")

    def test_a_reset(self, sim: SimulatedProviders, gpt: openai.OpenAI) -> None:
        """The connection breaks before there is an answer."""
        sim.fail("aws", "reset")

        with pytest.raises(openai.APIConnectionError):
            gpt.chat.completions.create(model=MODEL, messages=HI)

    @pytest.mark.parametrize("fault", ["hang", "slow", "stall"])
    def test_an_answer_that_does_not_come(
        self, sim: SimulatedProviders, gpt: openai.OpenAI, fault: str
    ) -> None:
        """A caller waits as long as it likes, and is not answered."""
        sim.fail("aws", fault)

        with pytest.raises(openai.APITimeoutError):
            gpt.chat.completions.create(model=MODEL, messages=HI, timeout=0.2)

    def test_a_slow_answer_comes(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """A slow provider answers in the end."""
        sim.fail("aws", "slow", seconds=0.01)

        assert gpt.chat.completions.create(model=MODEL, messages=HI).choices

    @pytest.mark.parametrize("after", [0, 2])
    def test_a_cut_stream(self, sim: SimulatedProviders, after: int) -> None:
        """So many events with content arrive, and then the connection breaks."""
        sim.fail("aws", "cut", after=after)
        heard: list[str] = []
        with (
            httpx.stream(
                "POST",
                f"{sim.base_uri('aws')}/chat/completions",
                json={"model": MODEL, "messages": HI, "stream": True},
            ) as response,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            heard.extend(response.iter_text())

        assert "".join(heard).count("data: ") == 1 + after

    def test_a_cut_answer(self, sim: SimulatedProviders) -> None:
        """An answer in one piece is shorter than it said."""
        sim.fail("aws", "cut")

        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(
                f"{sim.base_uri('aws')}/chat/completions",
                json={"model": MODEL, "messages": HI},
            )

    @pytest.mark.parametrize(
        ("fault", "words"), [("error-in-stream", 0), ("error-mid-stream", 3)]
    )
    def test_an_error_within_a_stream(
        self,
        sim: SimulatedProviders,
        gpt: openai.OpenAI,
        fault: str,
        words: int,
    ) -> None:
        """The stream begins well and turns into an error event."""
        sim.fail("aws", fault)
        heard: list[str] = []
        with (
            gpt.chat.completions.create(
                model=MODEL, messages=HI, stream=True
            ) as stream,
            pytest.raises(openai.APIError, match="overloaded"),
        ):
            heard.extend(c.choices[0].delta.content or "" for c in stream)

        assert len([word for word in heard if word]) == words

    def test_an_error_within_a_stream_of_anthropics(
        self, sim: SimulatedProviders, claude: anthropic.Anthropic
    ) -> None:
        """Anthropic's client raises on the error event."""
        sim.fail("anthropic", "error-mid-stream")

        with (
            pytest.raises(anthropic.APIStatusError),
            claude.messages.stream(model=MODEL, messages=HI, max_tokens=99) as stream,
        ):
            stream.until_done()

    def test_an_empty_success(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """A success may hold no answer at all."""
        sim.fail("aws", "empty")

        assert gpt.chat.completions.create(model=MODEL, messages=HI).choices == []
        assert [c.choices for c in chunks(gpt)] == [[]]

    def test_a_stream_without_its_last_event(self, sim: SimulatedProviders) -> None:
        """The answer is whole, and only the mark of the end is missing."""
        sim.fail("aws", "no-done")
        text = httpx.post(
            f"{sim.base_uri('aws')}/chat/completions",
            json={"model": MODEL, "messages": HI, "stream": True},
        ).text

        assert '"finish_reason": "stop"' in text
        assert "[DONE]" not in text

    def test_a_web_page(self, sim: SimulatedProviders) -> None:
        """A proxy's page is a success to HTTP and no answer."""
        sim.fail("aws", "html")
        response = httpx.post(
            f"{sim.base_uri('aws')}/chat/completions",
            json={"model": MODEL, "messages": HI},
        )

        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html"

    def test_anthropic_filters_within_the_answer(
        self, sim: SimulatedProviders, claude: anthropic.Anthropic
    ) -> None:
        """Anthropic's refusal is a success with a stop reason."""
        sim.fail("anthropic", "filtered")
        answer = claude.messages.create(model=MODEL, messages=HI, max_tokens=9)

        assert (answer.stop_reason, answer.content) == ("refusal", [])

    def test_every_fault_shows_in_both_formats(self, sim: SimulatedProviders) -> None:
        """No fault of the table is left without an effect on an answer in words."""
        lasting = {"hang", "slow", "stall", "cut", "reset", *UNFIT}
        for fault in FAULTS.keys() - lasting:
            for dialect, path in (
                ("openai-chat", "/chat/completions"),
                ("anthropic-messages", "/v1/messages"),
            ):
                for stream in (False, True):
                    body = {"model": MODEL, "messages": HI, "max_tokens": 99}
                    uri = sim.base_uri("aws", dialect) + path
                    sim.fail("aws", fault)
                    headers = {"anthropic-version": "2023-06-01"}
                    failed = httpx.post(
                        uri, json={**body, "stream": stream}, headers=headers
                    )
                    sim.recover("aws")
                    fine = httpx.post(
                        uri, json={**body, "stream": stream}, headers=headers
                    )

                    assert fine.status_code == 200
                    if (fault, stream) != ("no-done", False):
                        assert len(failed.content) != len(fine.content), fault

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("dialect", ["openai-chat", "anthropic-messages"])
    @pytest.mark.parametrize(
        ("fault", "fits"),
        [
            ("fenced", "```json\n{}\n```"),
            ("prose", "Of course, here it is: {}\nIs there anything else?"),
            ("misfit", "[{}]"),
        ],
    )
    def test_an_answer_may_lack_its_form(
        self, sim: SimulatedProviders, fault: str, fits: str, dialect: str, stream: bool
    ) -> None:
        """What is right within is not right as the whole, streamed or not."""
        said = _formed(sim, dialect, stream=stream)

        sim.fail("aws", fault)

        assert _formed(sim, dialect, stream=stream) == fits.format(said)
        assert json.loads(said) == {"n": 0}

    def test_an_answer_may_be_half_of_what_it_should_be(
        self, sim: SimulatedProviders
    ) -> None:
        """It ends as if it were whole."""
        sim.fail("aws", "broken")

        said = _formed(sim, "openai-chat", stream=False)

        with pytest.raises(json.JSONDecodeError):
            json.loads(said)

    def test_what_is_wrong_with_forms_takes_turns(
        self, sim: SimulatedProviders
    ) -> None:
        """One fault stands for all of that kind."""
        sim.fail("aws", "unfit")

        said = {_formed(sim, "openai-chat", stream=False) for _ in range(8)}

        assert len(said) == 4

    def test_an_answer_in_words_needs_no_form(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """Where none is asked for, nothing is wrong."""
        asked = {"model": MODEL, "messages": HI}
        fine = gpt.chat.completions.create(**asked)

        sim.fail("aws", "unfit")
        said = gpt.chat.completions.create(**asked)

        assert said.choices[0].message.content == fine.choices[0].message.content

    def test_a_fault_of_a_share_of_the_requests(self) -> None:
        """It shows as often as chance has it, and is counted when it does."""
        drawn = iter([0.49, 0.5, 0.9, 0.0, 0.2])
        with SimulatedProviders(chance=lambda: next(drawn)) as sim:
            sim.fail("aws", "500", share=0.5, times=2)
            body = {"model": MODEL, "messages": HI}
            uri = sim.base_uri("aws") + "/chat/completions"

            statuses = [httpx.post(uri, json=body).status_code for _ in range(5)]

        assert statuses == [500, 200, 200, 500, 200]

    def test_a_fault_for_the_next_requests_only(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """After so many failures the provider is well again."""
        sim.fail("aws", "500", times=2)
        for _ in range(2):
            with pytest.raises(openai.InternalServerError):
                gpt.chat.completions.create(model=MODEL, messages=HI)

        assert gpt.chat.completions.create(model=MODEL, messages=HI).choices

    def test_a_fault_of_one_model_or_region(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """A fault shows where it was switched on and the narrowest one counts."""
        sim.fail("aws", "500", model="other")
        sim.fail("aws", "500", region="us-east-1")
        fine = gpt.chat.completions.create(model=MODEL, messages=HI)
        sim.fail("aws", "500")
        sim.fail("aws", "429", model=MODEL)
        with pytest.raises(openai.RateLimitError):
            gpt.chat.completions.create(model=MODEL, messages=HI)
        sim.recover("aws")

        assert fine.choices
        assert gpt.chat.completions.create(model=MODEL, messages=HI).choices
