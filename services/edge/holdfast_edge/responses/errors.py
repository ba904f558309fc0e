"""Errors of OpenAI Responses: OpenAI's, with the names that fields have there."""

from holdfast_edge.errors import openai_shape
from holdfast_edge.field_names import FieldNames

FIELDS = FieldNames(
    {
        r"response_format\.json_schema": "text.format",
        r"response_format": "text.format",
        r"max_completion_tokens": "max_output_tokens",
        r"reasoning_effort": "reasoning.effort",
        r"verbosity": "text.verbosity",
        r"tools\[(\d+)\]\.(?:function|custom)": r"tools[\1]",
        # Items and messages are not counted alike.
        r"messages(?:\[.*)?": "input",
    }
)

responses_shape = FIELDS.shaping(openai_shape)
"""Writes an error's body."""
