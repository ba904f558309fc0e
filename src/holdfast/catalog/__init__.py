"""Which models exist, who serves each, where and for how much.

What ships is data, one readable file a provider (`data/providers`) and one a
lab (`data/models`). `load_shipped` reads it; `names` says what models are
called. The other modules make such files from a source of facts (`source`,
`curation` -> `selection` -> `compilation` -> `toml_text`) and are not needed to
run.
"""

from holdfast.catalog.loader import CatalogInvalidError, load, load_shipped
from holdfast.catalog.names import canonical_name, every_name, known_name, near_names

__all__ = [
    "CatalogInvalidError",
    "canonical_name",
    "every_name",
    "known_name",
    "load",
    "load_shipped",
    "near_names",
]
