"""A text in pieces: nothing of a match gets out, however the text is cut."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.guardrail_examples import FOUND, LEFT_ALONE
from fakes.guardrails import guardrail
from holdfast.guardrails.patterns import compiled, first_bytes
from holdfast.guardrails.presets import PRESETS
from holdfast_executor.guardrails.search import LONGEST_MATCH, WINDOW, Found, Watch
from holdfast_executor.guardrails.window import Window

EVERYTHING = Watch((guardrail("redact", *PRESETS),))

OWN = (
    r"\d{6}",
    r"(?i)confidential",
    r"secret:.*",
    r"\bcode \w+\b",
    r"[^a-z]+!",
    r"(?s)<<.{0,40}?>>",
    r"(?m)^>.*$",
    r"né+",
    r"\Bx\B|zz",
    r"(\b-|q)end",
)
OWN_WORDS = [
    *("123456", "12345", "Confidential", "CONFIDENTI", "secret: abc", "secret", "\n"),
    *("code red", "code", "code ", "A B!", "<<a\nb>>", "<<", ">>", "> quoted", ">"),
    *("né", "néé", "né", "axb", "zz", "a-end", "-end", "qend", "é", "日本", "", " "),
]


def whole(watch: Watch, text: str) -> tuple[str, Found]:
    """Return what becomes of a text that is there at once."""
    found = Found()
    encoded = text.encode()
    hits = watch.hits(encoded, 0, found)
    found.note(hits)
    return watch.redacted(encoded, 0, len(encoded), hits).decode(), found


def in_pieces(watch: Watch, pieces: list[str]) -> tuple[list[str], Found]:
    """Return what goes on after each piece, and at the end."""
    found = Found()
    window = Window(watch, found)
    return [*map(window.feed, pieces), window.finish()], found


def assert_same(watch: Watch, pieces: list[str]) -> None:
    text, found = whole(watch, "".join(pieces))

    passed, found_in_pieces = in_pieces(watch, pieces)

    assert "".join(passed) == text
    assert found_in_pieces.counts == found.counts


def every_split(text: str) -> list[list[str]]:
    """Cut a text in two everywhere, and in pieces of one size each."""
    twos = [[text[:at], text[at:]] for at in range(len(text) + 1)]
    sizes = [1, 2, 3, 5, 7, 11]
    return twos + [
        [text[at : at + size] for at in range(0, len(text), size)] for size in sizes
    ]


@pytest.mark.parametrize("around", ["{}", "so it is {}. And then", "\u00e9({})\n"])
@pytest.mark.parametrize(("preset", "text"), [*FOUND, *LEFT_ALONE])
def test_a_preset_finds_the_same_however_a_text_is_cut(preset, text, around):
    """Every cut, with a match at the beginning, within, and at the end."""
    watch = Watch((guardrail("redact", preset),))
    for pieces in every_split(around.format(text)):
        assert_same(watch, pieces)


cuts = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def cut(text: str, sizes: list[int]) -> list[str]:
    """Cut a text into pieces of these sizes, over and over."""
    pieces = []
    for size in itertools.cycle(sizes):
        if not text:
            return pieces
        pieces.append(text[:size])
        text = text[size:]
    return pieces


fragments = st.sampled_from(
    [text for _, text in (*FOUND, *LEFT_ALONE)]
    + [text[:at] for _, text in FOUND for at in (1, 3, 8, 14)]
    + [*" .,-:;/@+0123456789aZ_(", "\n", "\u00a0", "é", "日本", " and ", "-----"]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(fragments, max_size=12).map("".join), cuts)
def test_all_presets_together_find_the_same_in_any_text(text, sizes):
    """Matches side by side, within one another, begun and not ended."""
    assert_same(EVERYTHING, cut(text, sizes))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(OWN_WORDS), max_size=14).map("".join), cuts)
def test_patterns_of_ones_own_find_the_same_in_any_text(text, sizes):
    """As long as no match is longer than what is held back."""
    for regex in OWN:
        assert_same(Watch((guardrail("redact", patterns=(regex,)),)), cut(text, sizes))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(OWN_WORDS), max_size=14).map("".join))
def test_what_a_match_may_begin_with_is_known(text):
    """Or it is known that it is not: what is no beginning is not held back."""
    encoded = text.encode()
    for regex in OWN:
        first = first_bytes(regex)
        for start in range(len(encoded)):
            match = compiled(regex).search(encoded, start)
            if match and first and match.span()[0] < match.span()[1]:
                assert first[0] <= encoded[match.span()[0]] <= first[1]


def test_words_go_on_at_once_where_no_match_begins():
    """A guard against card numbers does not delay a sentence."""
    words = ["Once ", "upon ", "a time ", "there ", "were 3 bears", ", and"]

    passed, _ = in_pieces(Watch((guardrail("redact", "credit_card"),)), words)

    assert passed == [*words, ""]


def test_a_pattern_holds_back_from_what_a_match_may_begin_with():
    """Nothing before the first digit, and no more than a window after it."""
    watch = Watch((guardrail("redact", patterns=(r"\d+ EUR",)),))

    passed, _ = in_pieces(watch, ["It costs ", "12", " or more", ". " * WINDOW])

    assert passed[0] == "It costs "
    assert passed[1:3] == ["", ""]
    assert passed[3].startswith("12 or more.")


def test_a_match_that_goes_on_is_held_to_its_end():
    """A line that a pattern takes the whole of, longer than the window."""
    watch = Watch((guardrail("redact", patterns=(r"secret:.*",)),))
    pieces = ["a secret:", *(["more "] * WINDOW), "\nrest"]

    passed, _ = in_pieces(watch, pieces)

    assert "".join(passed) == "a ***\nrest"


def test_what_is_held_is_bounded():
    """A match without an end is cut; what was of it until then does not get out."""
    watch = Watch((guardrail("redact", patterns=(r"secret:.*",)),))
    found = Found()
    window = Window(watch, found)
    window.feed("secret:")

    passed = [window.feed("x" * 100) for _ in range(LONGEST_MATCH // 100 + 2)]

    assert "".join(passed).startswith("***")
    assert "".join(passed).count("x") < 200


def test_what_is_held_too_long_is_cut_between_characters():
    """Something like an address that never ends."""
    text = "a@" + "é" * LONGEST_MATCH

    passed, _ = in_pieces(Watch((guardrail("redact", "email"),)), cut(text, [99]))

    assert "".join(passed) == text
    assert any(passed[:-1])


def test_a_window_knows_what_the_caller_has():
    """A word that goes on is no word of its own."""
    watch = Watch((guardrail("redact", patterns=(r"\bcat\b",)),))

    again = Window(watch, Found(), "the bob")
    apart = Window(watch, Found(), "the bob ")

    assert again.feed("cat ") + again.finish() == "cat "
    assert apart.feed("cat ") + apart.finish() == "*** "
