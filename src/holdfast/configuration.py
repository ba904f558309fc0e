"""A configuration file whose names are checked against the shipped catalog.

Apart from `config_file`, because reading the catalog takes a fifth of a second
and some megabytes, and only who makes plans needs it.
"""

from pathlib import Path

from holdfast.catalog import every_name, load_shipped
from holdfast.config_file import Loaded, load


def load_configuration(path: Path) -> Loaded:
    """Load a configuration file, checked against the shipped catalog.

    Raises:
        ConfigurationError: The file is at fault.
    """
    catalog = load_shipped()
    return load(
        path,
        known_providers=catalog.providers,
        known_models=every_name(catalog),
    )
