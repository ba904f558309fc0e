"""A configuration file whose names are checked against the shipped catalog.

Apart from `config_file`, because reading the catalog takes a fifth of a second
and some megabytes, and only who makes plans needs it.
"""

from collections.abc import Collection
from pathlib import Path

from holdfast.catalog import every_name, load_shipped
from holdfast.config_file import Loaded, load
from holdfast.config_file.known import ALL_SECRETS


def load_configuration(path: Path, *, given: Collection[str] = ALL_SECRETS) -> Loaded:
    """Load a configuration file, checked against the shipped catalog.

    Args:
        path: The file.
        given: The kinds of secrets that this process is given.

    Raises:
        ConfigurationError: The file is at fault.
    """
    catalog = load_shipped()
    return load(
        path,
        known_providers=catalog.providers,
        known_models=every_name(catalog),
        given=given,
    )
