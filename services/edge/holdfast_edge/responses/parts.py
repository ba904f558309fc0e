"""What messages and results of calls are made of, as parts of a chat's content."""

from collections.abc import Callable, Mapping
from typing import Any

from holdfast_edge.decoding import malformed

STORED = "files that one provider stores are not had elsewhere"


def content_of(content: object, at: str) -> Any:
    """Write content.

    Raises:
        RequestMalformedError: It is none, or names what a provider stores.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise malformed(at, "must be text or an array of parts")
    parts = []
    for place, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        write = _PARTS.get(str(kind))
        if write is None:
            known = ", ".join(_PARTS)
            raise malformed(f"{at}[{place}].type", f"must be one of {known}")
        parts.append(write(part, f"{at}[{place}]"))
    return parts


def required(
    holder: dict[str, Any], name: str, at: str, *, may_be_empty: bool = False
) -> str:
    """Read a text.

    Raises:
        RequestMalformedError: It is missing, or none.
    """
    value = holder.get(name)
    if isinstance(value, str) and (value or may_be_empty):
        return value
    what = "is missing" if value in (None, "") else "must be text"
    raise malformed(f"{at}.{name}", what)


def _input_text(part: dict[str, Any], at: str) -> dict[str, Any]:
    return {"type": "text", "text": required(part, "text", at, may_be_empty=True)}


def _refusal(part: dict[str, Any], at: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": required(part, "refusal", at)}


def _image(part: dict[str, Any], at: str) -> dict[str, Any]:
    if not part.get("image_url"):
        raise malformed(f"{at}.image_url", f"is missing: {STORED}")
    image = {"url": part["image_url"]}
    if part.get("detail"):
        image["detail"] = part["detail"]
    return {"type": "image_url", "image_url": image}


def _file(part: dict[str, Any], at: str) -> dict[str, Any]:
    data = part.get("file_data") or part.get("file_url")
    if not data:
        raise malformed(f"{at}.file_data", f"is missing: {STORED}")
    file = {"filename": part.get("filename") or "file.pdf", "file_data": data}
    return {"type": "file", "file": file}


def _audio(part: dict[str, Any], _at: str) -> dict[str, Any]:
    return part


_PARTS: Mapping[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
    "input_text": _input_text,
    "output_text": _input_text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}
"""What a message's content is made of."""
