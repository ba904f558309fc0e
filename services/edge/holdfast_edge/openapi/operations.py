"""What operators and their machines ask, described."""

from typing import Any

from holdfast_edge.openapi.words import ok, open_object, operation

_TAG = "Operations"

TAGS = [{"name": _TAG, "description": "No key is needed."}]

SCHEMAS: dict[str, Any] = {}


def _text(media_type: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"description": "Text.", "content": {media_type: {"schema": schema}}}


PATHS: dict[str, Any] = {
    "/healthz": {
        "get": operation(
            _TAG,
            "Whether the process answers",
            {200: ok("It does.", open_object(["status"], status={"const": "ok"}))},
            keyed=False,
        )
    },
    "/readyz": {
        "get": operation(
            _TAG,
            "Whether it can serve",
            {200: ok("It can.", open_object(["status"], status={"const": "ready"}))},
            failures=["SERVICE_UNAVAILABLE"],
            keyed=False,
        )
    },
    "/metrics": {
        "get": operation(
            _TAG, "Figures for Prometheus", {200: _text("text/plain")}, keyed=False
        )
    },
    "/openapi.json": {
        "get": operation(
            _TAG,
            "This description",
            {200: ok("It.", open_object(["openapi", "info", "paths"]))},
            keyed=False,
        )
    },
    "/console": {
        "get": operation(
            _TAG, "The console, for people", {200: _text("text/html")}, keyed=False
        )
    },
    "/docs": {
        "get": operation(_TAG, "It, for people", {200: _text("text/html")}, keyed=False)
    },
}
