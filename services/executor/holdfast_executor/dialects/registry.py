"""Every dialect there is, by the name a deployment gives it.

One more is a module beside this one and its line here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from holdfast_executor.dialects import Dialect
from holdfast_executor.dialects.anthropic_messages import AnthropicMessages
from holdfast_executor.dialects.anthropic_vertex import AnthropicVertex
from holdfast_executor.dialects.bedrock_converse import BedrockConverse
from holdfast_executor.dialects.bedrock_embeddings import BedrockEmbeddings
from holdfast_executor.dialects.bedrock_invoke import BedrockInvoke
from holdfast_executor.dialects.embedding import Embedder
from holdfast_executor.dialects.gemini_embeddings import GeminiEmbeddings
from holdfast_executor.dialects.gemini_generate import Gemini
from holdfast_executor.dialects.openai_chat import OpenAIChat
from holdfast_executor.dialects.openai_embeddings import OpenAIEmbeddings
from holdfast_executor.dialects.openai_responses import OpenAIResponses

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "anthropic-messages": AnthropicMessages(),
        "anthropic-vertex": AnthropicVertex(),
        "bedrock-converse": BedrockConverse(),
        "bedrock-invoke": BedrockInvoke(),
        "gemini": Gemini(),
        "openai-chat": OpenAIChat(),
        "openai-responses": OpenAIResponses(),
    }
)

EMBEDDERS: Mapping[str, Embedder] = MappingProxyType(
    {
        "bedrock-converse": BedrockEmbeddings(),
        "bedrock-invoke": BedrockEmbeddings(),
        "gemini": GeminiEmbeddings(),
        "openai-chat": OpenAIEmbeddings(),
    }
)
"""Those of them that make vectors."""
