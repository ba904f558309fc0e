"""What fetched bytes are: by what they begin with, not by what is said of them.

What a server says decides only whether they are looked at: a page to sign in at
is no image, and no model is to be shown one.
"""

import re

_SIGNS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    ("image/heic", re.compile(rb".{4}ftyphei[cxms]", re.DOTALL)),
    ("image/heif", re.compile(rb".{4}ftypm[is]f1", re.DOTALL)),
    ("application/pdf", re.compile(rb"%PDF-")),
    ("audio/wav", re.compile(rb"RIFF.{4}WAVE", re.DOTALL)),
    ("audio/flac", re.compile(rb"fLaC")),
    ("audio/ogg", re.compile(rb"OggS")),
    ("audio/mpeg", re.compile(rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")),
    ("video/quicktime", re.compile(rb".{4}ftypqt  ", re.DOTALL)),
    ("video/mp4", re.compile(rb".{4}ftyp(?:iso[m2-9]|mp4[12]|avc1|M4V )", re.DOTALL)),
    ("video/webm", re.compile(rb"\x1aE\xdf\xa3")),
)
"""What begins how: WHATWG's MIME Sniffing Standard, section 6, and for what is not
in it the registries of the formats (ISO base media brands at mp4ra.org)."""

_LOOKED_AT = re.compile(
    r"(?:image|audio|video)/[\w.+-]+|application/pdf|(?:application|binary)/octet-stream"
)
_TEXTS = frozenset({"text/plain", "text/csv", "text/markdown"})
"""These begin like nothing else; of pages in HTML nobody knows what they are."""


def is_looked_at(declared: str) -> bool:
    """Tell whether what is said to be of this type may be media at all.

    Args:
        declared: The `content-type`. Empty if there is none.
    """
    media_type = _bare(declared)
    return (
        not media_type
        or media_type in _TEXTS
        or _LOOKED_AT.fullmatch(media_type) is not None
    )


def media_type_of(declared: str, content: bytes) -> str:
    """Say what bytes are; empty if they are nothing that is known here.

    Args:
        declared: The `content-type`. Empty if there is none.
        content: All of them.
    """
    media_type = _bare(declared)
    if media_type in _TEXTS:
        return media_type if _is_text(content) else ""
    return next((name for name, sign in _SIGNS if sign.match(content)), "")


def _bare(declared: str) -> str:
    return declared.partition(";")[0].strip().lower()


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in content
