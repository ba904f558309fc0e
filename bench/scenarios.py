"""What is asked of every gateway: the scenarios, and their sizes."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

PLAIN = "plain"
"""The role of a model with one deployment, which answers."""

FALLBACK = "fallback"
"""The role of a model whose first deployment answers 429, and whose second answers."""

SESSIONS = "sessions"
"""The role of a model with two deployments that both answer."""


EMBEDDINGS = "embeddings"
"""The role of a model that makes vectors."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of request, and the load it comes in.

    Attributes:
        role: Which of a gateway's models is asked.
        body_kb: Size of the request's messages in KiB. Zero for one short message.
        texts: How many texts vectors are asked of; zero for a chat.
        answer_kb: Size of a whole answer in KiB.
        events: Content events of a streamed answer. Zero for a whole answer.
        gap_ms: Milliseconds between two events upstream. Zero for all at once,
            each in a TCP segment of its own.
        sessions: How many conversations there are; zero for requests that name
            none. Then it ends by itself, after `sessions * turns` requests.
        turns: Requests of each conversation, each longer than the one before.
    """

    name: str
    meaning: str
    role: str = PLAIN
    body_kb: int = 0
    texts: int = 0
    answer_kb: int = 1
    events: int = 0
    gap_ms: float = 0.0
    sessions: int = 0
    turns: int = 0

    @property
    def stream_s(self) -> float:
        """How long a paced answer takes upstream, in seconds."""
        return self.events * self.gap_ms / 1_000

    @property
    def upstream(self) -> str:
        """The behaviour that the simulated provider is set to."""
        if self.texts:
            return f"vectors-{self.texts}"
        terms = [f"answer-{self.answer_kb}"]
        if self.events:
            terms += [f"events-{self.events}", f"gap-{self.gap_ms:g}"]
        return ",".join(terms)


ALL: tuple[Scenario, ...] = (
    Scenario("small", "a short message, an answer of 1 KB"),
    Scenario("burst", "a stream of 100 events, as fast as they are taken", events=100),
    Scenario("paced", "a stream of 100 events over a second", events=100, gap_ms=10),
    Scenario("fallback", "the first deployment answers 429", role=FALLBACK),
    Scenario("body", "200 KB of messages", body_kb=200),
    Scenario(
        "sessions",
        "10,000 conversations, five turns each",
        role=SESSIONS,
        sessions=10_000,
        turns=5,
    ),
    Scenario("embeddings", "vectors of 16 texts", role=EMBEDDINGS, texts=16),
)
"""In the order they are run."""

BY_NAME = {scenario.name: scenario for scenario in ALL}


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the command line says about sizes; None leaves a scenario's own.

    Attributes:
        body_kb: Of the scenario `body`, 1 KiB to 4 MiB.
        answer_kb: Of every whole answer, 1 KiB to 4 MiB.
        events: Of the scenarios that stream, 1 to 2,000.
        sessions: Of the scenario `sessions`.
    """

    body_kb: int | None = None
    answer_kb: int | None = None
    events: int | None = None
    sessions: int | None = None


def sized(scenario: Scenario, sizes: Sizes) -> Scenario:
    """Return the scenario with the sizes asked for.

    A paced stream keeps its length in time: more events come closer together.
    """
    changes: dict[str, float] = {}
    if sizes.body_kb is not None and scenario.body_kb:
        changes["body_kb"] = sizes.body_kb
    if sizes.answer_kb is not None:
        changes["answer_kb"] = sizes.answer_kb
    if sizes.events is not None and scenario.events:
        changes["events"] = sizes.events
        changes["gap_ms"] = scenario.stream_s * 1_000 / sizes.events
    if sizes.sessions is not None and scenario.sessions:
        changes["sessions"] = sizes.sessions
    return dataclasses.replace(scenario, **changes)  # type: ignore[arg-type]


def chosen(names: Iterable[str], sizes: Sizes) -> list[Scenario]:
    """Return the scenarios of these names, sized.

    Raises:
        ValueError: There is none of a name.
    """
    found = []
    for name in names:
        if name not in BY_NAME:
            known = ", ".join(BY_NAME)
            raise ValueError(f"there is no scenario {name!r}; there are {known}")
        found.append(sized(BY_NAME[name], sizes))
    return found
