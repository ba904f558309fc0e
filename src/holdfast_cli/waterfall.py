"""One trace for people: who was asked when, what came of it, and why in that order."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from holdfast_cli.moments import short
from holdfast_cli.tables import printable, table

_WIDTH = 32
"""Of a bar, in characters: it fits beside the columns on a terminal of 120."""

Span = Mapping[str, Any]


def waterfall(trace: Mapping[str, Any]) -> str:
    """Lay out a trace."""
    spans: Sequence[Span] = trace["spans"]
    requests = [span for span in spans if span["type"] == "request"]
    return "\n\n".join(
        "\n".join(
            _request(request, [s for s in spans if s["parent_id"] == request["id"]])
        )
        for request in requests
    )


def _request(request: Span, attempts: Sequence[Span]) -> Iterator[str]:
    meta = request["meta"]
    ended = request["duration_ms"]
    took = "running" if ended is None else f"{ended:,} ms"
    yield f"{request['trace_id']}  {request['status']}  {short(request['start_time'])}Z"
    yield f"  {_line(request['name'], meta['surface'], _streamed(meta), took)}"
    who = f"{meta['organization']}/{meta['project']} key {meta['key']}"
    tags = [f"{name}:{value}" for name, value in request["tags"].items()]
    yield f"  {_line(who, *tags)}"
    yield f"  {_line(_served(meta), _tokens(meta['usage']), _money(meta))}"
    if request["error"]:
        yield f"  {printable(request['error'])}"
    if attempts:
        yield ""
        yield _indented(_attempts(request, attempts))
    yield from _plan(meta["plan"])
    yield from _session(meta["session"])
    for each in meta["guardrails"]:
        words = f"{each['guardrail']} {each['action']} {each['stage']}"
        yield f"  guardrail {printable(words)}: {', '.join(each['matched'])}"


def _served(meta: Mapping[str, Any]) -> str:
    if meta["deployment"] is None:
        return "nobody served it"
    return f"served by {meta['deployment']} in {meta['geography']}"


def _streamed(meta: Mapping[str, Any]) -> str:
    return "streamed" if meta["streamed"] else ""


def _tokens(usage: Mapping[str, int]) -> str:
    cached = usage["cache_read_input_tokens"]
    words = f"{usage['input_tokens']:,} tokens in, {usage['output_tokens']:,} out"
    return f"{words}, {cached:,} of them cached" if cached else words


def _money(meta: Mapping[str, Any]) -> str:
    saved = "" if meta["saving"] == "0" else f", caches saved {meta['saving']}"
    return f"{meta['cost']} USD{saved}"


def _line(*words: str | None) -> str:
    return "  ".join(printable(word) for word in words if word)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _attempts(request: Span, attempts: Sequence[Span]) -> str:
    begins = min(_at(each["start_time"]) for each in (request, *attempts))
    ends = max(
        _at(each["start_time"]) + each["meta"]["latency_ms"] for each in attempts
    )
    rows = [
        (
            str(each["meta"]["attempt"]),
            each["name"],
            each["meta"]["outcome"],
            str(each["meta"]["http_status"] or "-"),
            f"{each['meta']['latency_ms']:,.0f} ms",
            _ms(each["meta"]["ttft_ms"]),
            f"{each['meta']['usage']['total_tokens']:,}",
            each["meta"]["cost"],
            each["meta"]["step_reason"] or "-",
            _bar(
                _at(each["start_time"]) - begins,
                each["meta"]["latency_ms"],
                ends - begins,
            ),
        )
        for each in attempts
    ]
    heading = ("#", "deployment", "outcome", "http", "took", "first", "tokens", "USD")
    return table((*heading, "why here", ""), rows)


def _ms(span: float | None) -> str:
    return "-" if span is None else f"{span:,.0f} ms"


def _bar(offset: float, length: float, whole: float) -> str:
    """Draw when an attempt was made, of the time that all of them took."""
    scale = _WIDTH / whole if whole > 0 else 0
    start = min(round(offset * scale), _WIDTH - 1)
    size = max(1, min(round(length * scale), _WIDTH - start))
    return f"|{' ' * start}{'#' * size}{' ' * (_WIDTH - start - size)}|"


def _at(moment: str) -> float:
    return dt.datetime.fromisoformat(moment).timestamp() * 1_000


def _plan(plan: Mapping[str, Any]) -> Iterator[str]:
    if plan["steps"]:
        yield ""
        yield "  planned, in this order:"
        for step in plan["steps"]:
            rest = step["cooldown_seconds"]
            words = (
                f"{step['place']:>2}  {printable(step['deployment'])}",
                step["reason"],
                "" if rest is None else f"rests for {rest:g} s",
                "" if step["attempted"] else "not needed",
            )
            yield f"  {'  '.join(word for word in words if word)}"
    if plan["exclusions"]:
        yield ""
        yield "  left out:"
        for rule, deployments in _by_rule(plan["exclusions"]).items():
            yield f"    {printable(rule)}: {printable(', '.join(deployments))}"


def _by_rule(exclusions: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Tell together what was left out for the same."""
    rules: dict[str, list[str]] = {}
    for each in exclusions:
        # Its rule names the provider, as the deployment does.
        lacks = each["reason"] == "no-credential"
        rule = "no credential" if lacks else each["rule"]
        rules.setdefault(rule, []).append(each["deployment"])
    return rules


def _session(session: Mapping[str, Any] | None) -> Iterator[str]:
    if session is None:
        return
    yield ""
    yield f"  session {session['id']}, {session['affinity']}:"
    for turn in session["history"]:
        words = (
            ">" if turn["this"] else " ",
            short(turn["start_time"]),
            turn["deployment"] or "nobody",
            "moved here" if turn["moved"] else "",
        )
        yield f"  {printable('  '.join(word for word in words if word))}"
