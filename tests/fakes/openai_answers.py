"""Answers that stray from OpenAI's format in every way, for property tests."""

from hypothesis import strategies as st

_NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", "stop"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("choices", "delta", "message", "content", "role", "tool_calls"),
                    *("index", "id", "function", "name", "arguments", "type", "usage"),
                    *("finish_reason", "logprobs", "created", "prompt_tokens", "text"),
                    *("service_tier", "annotations", "audio", "function_call"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
_CHOICES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "index": _NESTED,
            "finish_reason": _NESTED,
            "logprobs": _NESTED,
            **dict.fromkeys(
                ("message", "delta"),
                st.fixed_dictionaries(
                    {},
                    optional={
                        "content": _NESTED,
                        "role": _NESTED,
                        "refusal": _NESTED,
                        "annotations": _NESTED,
                        "tool_calls": st.lists(_NESTED, max_size=2),
                        "reasoning": _NESTED,
                    },
                ),
            ),
        },
    ),
    max_size=2,
)
_WHOLES = st.fixed_dictionaries(
    {"choices": _CHOICES},
    optional={"usage": _NESTED, "id": _NESTED, "created": _NESTED},
)

WHOLES = _NESTED | _WHOLES
"""Any JSON made of the format's own names, often in the format's own places."""
