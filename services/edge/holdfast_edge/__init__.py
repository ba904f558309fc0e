"""Speaks OpenAI's API to callers, and gRPC to the services behind it."""
