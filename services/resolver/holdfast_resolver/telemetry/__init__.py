"""Spans of requests and attempts, for the operator's own tracing backend.

`exporting` takes note on the request's path and sends off it, `spans` writes what was
noted in OpenTelemetry's words.
"""
