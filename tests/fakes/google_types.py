"""Google's own types as a judge of what is sent to `generateContent`.

They are of the SDK `google-genai`, and refuse every field that they do not know.
"""

from collections.abc import Mapping
from typing import Any

from google.genai import types

_FIELDS: Mapping[str, tuple[Any, bool]] = {
    "contents": (types.Content, True),
    "systemInstruction": (types.Content, False),
    "tools": (types.Tool, True),
    "toolConfig": (types.ToolConfig, False),
    "generationConfig": (types.GenerationConfig, False),
    "safetySettings": (types.SafetySetting, True),
}
"""Each field of a request, its type, and whether it is a list of them."""


def assert_google_accepts(request: dict[str, Any]) -> None:
    """Fail on a field, a value or a turn that Google does not know."""
    assert request.keys() <= _FIELDS.keys()
    for field, value in request.items():
        kind, is_list = _FIELDS[field]
        for one in value if is_list else [value]:
            kind.model_validate(one)
    for turn in request["contents"]:
        assert turn["role"] in {"user", "model"}
        assert turn["parts"]
