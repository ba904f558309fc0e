"""Guardrails: what a request and its answer pass through on their way.

`guard.py` is one request's; it asks `texts.py` for the texts of a body, `search.py`
for what is to be found in each, and `judging.py` for a model's opinion. A streamed
answer is a `stream.py`, whose events go through a `passage.py`; what may yet become a
match is held back there in a `window.py`. Nothing here keeps or tells what was found,
only that and how often.
"""
