"""Embeddings requests as callers write them, and deployments that take them."""

import json
from typing import Any

from fakes.plans import deployment
from holdfast.model import Deployment
from holdfast_executor.embeddings import Embeddings

_VERTEX = (
    "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/"
    "europe-west4/publishers/google"
)

KINDS: dict[str, dict[str, str]] = {
    "openai": {"dialect": "openai-chat", "provider_model": "lab/vectors"},
    "mistral": {
        "dialect": "openai-chat",
        "provider_id": "mistral",
        "provider_model": "codestral-embed",
    },
    "gemini-api": {"dialect": "gemini", "provider_model": "gemini-embedding-001"},
    "vertex-predict": {
        "dialect": "gemini",
        "provider_model": "text-embedding-005",
        "base_uri": _VERTEX,
    },
    "vertex-predict-one": {
        "dialect": "gemini",
        "provider_model": "gemini-embedding-001",
        "base_uri": _VERTEX,
    },
    "vertex-embed-content": {
        "dialect": "gemini",
        "provider_model": "gemini-embedding-2",
        "base_uri": _VERTEX,
    },
    "bedrock-titan": {
        "dialect": "bedrock-invoke",
        "provider_model": "amazon.titan-embed-text-v2:0",
    },
    "bedrock-cohere": {
        "dialect": "bedrock-converse",
        "provider_model": "eu.cohere.embed-v4:0",
    },
    "bedrock-nova": {
        "dialect": "bedrock-invoke",
        "provider_model": "amazon.nova-2-multimodal-embeddings-v1:0",
    },
}
"""What is particular to a deployment of each kind that embeds."""


def place(kind: str, deployment_id: str = "lab/vectors", **facts: Any) -> Deployment:
    """Make a deployment of a kind."""
    return deployment(deployment_id, **{**KINDS[kind], **facts})


def request(given: object = "Hi", **fields: object) -> bytes:
    """Write a request."""
    return json.dumps({"model": "vectors", "input": given, **fields}).encode()


def asking_for(given: object = "Hi", **fields: object) -> Embeddings:
    """Read a request as the executor does."""
    return Embeddings.parse(request(given, **fields))
