"""The fault bench: a provider that misbehaves, and what callers see of it."""
