"""A provider that costs next to nothing: canned answers from one event loop."""
