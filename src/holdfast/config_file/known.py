"""What exists beside the file that is read: the catalog and the environment."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Known:
    """What a file may refer to without declaring it.

    Attributes:
        providers: The shipped catalog's, by id. Empty: not checked.
        models: The shipped catalog's plain names and deployment ids. None: not
            checked.
        environ: Where `{env: NAME}` is looked up.
    """

    providers: Collection[str] = ()
    models: Collection[str] | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
