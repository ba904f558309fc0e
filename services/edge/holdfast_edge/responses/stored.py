"""What stands in a request for something that one provider stores: it is refused.

Such a thing is not had elsewhere, and the gateway keeps nothing with providers.
"""

from typing import Any

from holdfast_edge.decoding import malformed

_NAMES = frozenset(
    {"container_id", "file_id", "file_ids", "skill_id", "vector_store_ids"}
)
"""Members that name something stored."""


def refuse_stored(holder: dict[str, Any], at: str) -> None:
    """See that nothing in an item or a tool names what a provider stores.

    What a provider has told of its own doing may: it is handed back as it came.

    Raises:
        RequestMalformedError: Something does.
    """
    if str(holder.get("type")) in _TOLD:
        return
    for name, value in holder.items():
        place = f"{at}.{name}"
        if name in _NAMES and value:
            raise malformed(
                place,
                "names what one provider stores, which is not had elsewhere: send it "
                "with the request",
            )
        if isinstance(value, dict):
            refuse_stored(value, place)
        elif isinstance(value, list):
            for number, each in enumerate(value):
                if isinstance(each, dict):
                    refuse_stored(each, f"{place}[{number}]")


_TOLD = frozenset({"code_interpreter_call", "file_search_call", "shell_call"})
