"""Signatures on simulated thoughts: each of its issuer's, and refused elsewhere."""

from typing import Any

from holdfast_cli.demo.prompt import PromptError

CLAUDE = "claude"
"""Claude's are valid wherever Claude runs."""


def signature(issuer: str) -> str:
    """Sign a thought."""
    return f"signed-by-{issuer}"


def check(shown: Any, issuer: str) -> None:
    """Verify a signature as its issuer would.

    Raises:
        PromptError: It is another's, or none.
    """
    if shown != signature(issuer):
        raise PromptError("Invalid `signature` in `thinking` block")
