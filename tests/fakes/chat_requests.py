"""Chat requests that ask for much at once, or are written as nobody writes them."""

from typing import Any

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}},
            "required": ["place"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4"
    "2mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

EVERY_PARAMETER: dict[str, Any] = {
    "messages": [
        {"role": "developer", "content": "Be brief.", "name": "house-rules"},
        {"role": "user", "content": [{"type": "text", "text": "What is it like?"}]},
    ],
    "audio": {"format": "mp3", "voice": "alloy"},
    "frequency_penalty": -0.5,
    "function_call": "auto",
    "functions": [{"name": "old", "parameters": {"type": "object"}}],
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 64,
    "max_tokens": 64,
    "metadata": {"team": "search"},
    "modalities": ["text"],
    "moderation": {"model": "omni"},
    "n": 1,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "Fine."},
    "presence_penalty": 2,
    "prompt_cache_key": "weather-7",
    "prompt_cache_options": {"mode": "implicit"},
    "prompt_cache_retention": "24h",
    "reasoning_effort": "low",
    "response_format": {"type": "text"},
    "safety_identifier": "u-81",
    "seed": -9_007_199_254_740_991,
    "service_tier": "auto",
    "stop": ["\n\n"],
    "store": False,
    "temperature": 1,
    "tool_choice": "auto",
    "tools": [WEATHER],
    "top_logprobs": 0,
    "top_p": 0.9,
    "user": "u-81",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}
"""All that `chat.completions.create` takes beside `model`, `stream` and its options."""

ODD_SPELLING = """
{ "messages" :[{"role":"user" , "content":"caf\\u00e9 \\ud83d\\ude00 é\\/😀"} ],
\t"temperature": 1.0, "top_p":1, "seed": 12345678901234567890,
  "presence_penalty": 1e-2, "logit_bias" : {}, "model":   "gpt"  ,
  "metadata": {"model": "gpt", "note": "\\"model\\": \\"gpt\\"", "empty": null},
  "unheard_of": {"z": 1, "a": [1.50, -0.0, {"model": "gpt"}], "é": "\\u2028"},
  "stop": [ ]
}
"""
"""JSON that no library would write: each of its bytes must reach the provider."""
