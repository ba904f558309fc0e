"""The facts a catalog is made from: a JSON file in the format of models.dev.

The file has two keys, `providers` (who serves what, for how much) and `models`
(what labs say of their own models). Only what the catalog needs is read.
"""

import gzip
from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec import Struct

_GZIP_MAGIC = b"\x1f\x8b"


class SourceCost(Struct, frozen=True):
    """US dollars per million tokens; the cache's goes by three names."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cached_input: Decimal | None = None
    cache_input: Decimal | None = None
    cache_write: Decimal | None = None
    cached_write: Decimal | None = None

    @property
    def read(self) -> Decimal | None:
        """The price of input tokens read from the prompt cache."""
        known = (self.cache_read, self.cached_input, self.cache_input)
        return next((price for price in known if price is not None), None)

    @property
    def write(self) -> Decimal | None:
        """The price of input tokens written to the prompt cache."""
        return self.cached_write if self.cache_write is None else self.cache_write


class SourceLimit(Struct, frozen=True):
    """In tokens. Zero if unknown."""

    context: int = 0
    output: int = 0


class SourceModalities(Struct, frozen=True):
    """What goes in and what comes out: `text`, `image`, `pdf`, `audio`, `video`."""

    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()


class SourceClient(Struct, frozen=True):
    """What differs from the provider for one of its models.

    Attributes:
        npm: The client package that speaks to it.
        api: The base URI.
        shape: `responses` or `completions`.
    """

    npm: str | None = None
    api: str | None = None
    shape: str | None = None


class SourceModel(Struct, frozen=True):
    """A model, as one provider serves it.

    Attributes:
        base_model: `lab/model`: which of the labs' models it is.
        structured_output: None if the source does not say.
    """

    name: str
    limit: SourceLimit = SourceLimit()
    modalities: SourceModalities = SourceModalities()
    tool_call: bool = False
    reasoning: bool = False
    structured_output: bool | None = None
    status: str | None = None
    cost: SourceCost | None = None
    base_model: str | None = None
    provider: SourceClient | None = None


class SourceProvider(Struct, frozen=True):
    """A provider and what it serves, by its own names."""

    name: str
    models: dict[str, SourceModel]
    npm: str = ""
    api: str | None = None
    env: tuple[str, ...] = ()
    doc: str | None = None


class LabModel(Struct, frozen=True):
    """What a lab calls a model of its own."""

    name: str


class Source(Struct, frozen=True):
    """The whole file."""

    providers: dict[str, SourceProvider]
    models: dict[str, LabModel] = {}


def read_source(path: Path) -> Source:
    """Read a source of facts, compressed or not.

    Raises:
        OSError: It cannot be read.
        msgspec.DecodeError: It is not in the format.
    """
    return parse_source(path.read_bytes())


def parse_source(content: bytes) -> Source:
    """Read a source of facts from its bytes, compressed or not.

    Raises:
        msgspec.DecodeError: It is not in the format.
    """
    if content.startswith(_GZIP_MAGIC):
        content = gzip.decompress(content)
    return msgspec.json.decode(content, type=Source)
