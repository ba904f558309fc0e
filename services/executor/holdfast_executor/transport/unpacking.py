"""Compressed answers, unpacked as they arrive, and known to be whole or not."""

import zlib
from typing import Any

BLOCK_BYTES = 256 * 1024
"""What is unpacked or sent at a time, so that no body stops the others."""


class Unpacking:
    """Takes a gzip or deflate body in pieces and gives it back unpacked.

    Raises:
        ValueError: The encoding is another one; none was asked for.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._packed = b""
        self._has_more = False
        self._inflate: Any = None

    def feed(self, packed: bytes) -> None:
        """Take the next piece."""
        self._packed += packed

    def next_block(self) -> bytes:
        """Unpack the next bytes, none if more must be fed first."""
        while self._packed or self._has_more:
            if self._inflate is None or self._inflate.eof:
                self._inflate = self._open()
            block: bytes = self._inflate.decompress(self._packed, BLOCK_BYTES)
            self._packed = self._inflate.unconsumed_tail or self._inflate.unused_data
            # A full block may leave output behind that needs no more input.
            self._has_more = len(block) == BLOCK_BYTES and not self._inflate.eof
            if block:
                return block
        return b""

    def finish(self) -> None:
        """Take the end.

        Raises:
            ValueError: The packing has not ended.
        """
        if self._inflate is not None and not self._inflate.eof:
            raise ValueError("the packing has not ended")

    def _open(self) -> Any:
        if self._encoding in {"gzip", "x-gzip"}:
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        if self._encoding != "deflate":
            raise ValueError(f"cannot unpack {self._encoding[:20]!r}")
        # "deflate" is zlib's format, but servers have long sent the bare one
        # too; zlib's first byte always ends in 8.
        is_zlib = self._packed[0] & 0x0F == 8
        return zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
