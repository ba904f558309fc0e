"""What exists beside the file that is read: the catalog, and secrets elsewhere."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

API_KEYS = "API keys"
CREDENTIALS = "credentials"
STORES = "stores"
"""Kinds of secrets: what callers show, what providers are shown, and what etcd and
the ledger are shown."""

ALL_SECRETS = frozenset({API_KEYS, CREDENTIALS, STORES})


@dataclass(frozen=True, slots=True)
class Known:
    """What a file may refer to without declaring it.

    Attributes:
        providers: The shipped catalog's, by id. Empty: not checked.
        models: The shipped catalog's plain names and deployment ids. None: not
            checked.
        environ: Where `{env: NAME}` is looked up.
        given: The kinds of secrets that this process is given. That others are not
            there is no fault: another process has them.
    """

    providers: Collection[str] = ()
    models: Collection[str] | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    given: Collection[str] = ALL_SECRETS
