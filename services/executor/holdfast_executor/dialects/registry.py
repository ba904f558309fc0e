"""Every dialect there is, by the name a deployment gives it.

One more is a module beside this one and its line here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from holdfast_executor.dialects import Dialect
from holdfast_executor.dialects.anthropic_messages import AnthropicMessages
from holdfast_executor.dialects.openai_chat import OpenAIChat

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "anthropic-messages": AnthropicMessages(),
        "openai-chat": OpenAIChat(),
    }
)
