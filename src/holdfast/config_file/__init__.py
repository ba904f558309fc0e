"""The configuration file: read, checked, and everything wrong with it at once.

    loaded = config_file.load(Path("holdfast.yaml"))
    loaded.settings.listen

`schema` has the fields, `checks` what they must be to each other, `build` where
they go.
"""

import codecs
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from holdfast.config_file import build
from holdfast.config_file.checks import check
from holdfast.config_file.document import MapNode, compose, is_nothing
from holdfast.config_file.faults import (
    DOCUMENT,
    ConfigurationError,
    Fault,
    Place,
    Report,
)
from holdfast.config_file.known import ALL_SECRETS, Known
from holdfast.config_file.schema import ROOT
from holdfast.config_file.values import Record
from holdfast.settings import Settings

__all__ = ["ConfigurationError", "Fault", "Loaded", "load", "parse"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used.

    Attributes:
        warnings: What an operator should know all the same, by line.
    """

    settings: Settings
    warnings: tuple[Fault, ...] = ()


def load(
    path: Path,
    *,
    known_providers: Collection[str] = (),
    known_models: Collection[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    given: Collection[str] = ALL_SECRETS,
) -> Loaded:
    """Read a configuration file.

    Args:
        path: The file. Relative paths of secrets are below its folder.
        known_providers: The ids of the shipped catalog's providers. Empty: what
            refers to a provider is not checked.
        known_models: The plain names and deployment ids of the shipped catalog.
            None: what refers to a model is not checked.
        environ: Where `{env: NAME}` is looked up.
        given: The kinds of secrets that this process is given; see `known`.

    Raises:
        ConfigurationError: With every fault of the file.
    """
    report = Report(path)
    text = ""
    try:
        written = path.read_bytes()
        text = written.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except OSError as error:
        why = error.strerror or "it is no file"
        report.fault(1, DOCUMENT, f"cannot be read: {why}", "check its path and mode")
    except UnicodeDecodeError as error:
        report.fault(
            error.object.count(b"\n", 0, error.start) + 1,
            DOCUMENT,
            "is not UTF-8",
            "save it as UTF-8",
        )
    report.raise_faults()
    return parse(
        text,
        path,
        known_providers=known_providers,
        known_models=known_models,
        environ=environ,
        given=given,
    )


def parse(  # noqa: PLR0913 - each is for the caller to choose
    text: str,
    path: Path,
    *,
    known_providers: Collection[str] = (),
    known_models: Collection[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    given: Collection[str] = ALL_SECRETS,
) -> Loaded:
    """Read the text of a configuration file; see `load`.

    Raises:
        ConfigurationError: With every fault of the text.
    """
    report = Report(path)
    place = Place(report)
    node = compose(text, report)
    if node is None or is_nothing(node):
        node = MapNode(1, ())
    root = ROOT.read(node, place) or Record(1, place)
    check(root, Known(known_providers, known_models, environ, given))
    report.raise_faults()
    return Loaded(build.settings(root), report.warnings)
