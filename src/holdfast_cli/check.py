"""`holdfast check`: whether a configuration file can be used, and what is wrong."""

import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from holdfast import config_file
from holdfast.config_file.faults import printable
from holdfast.settings import Settings

EXIT_FAULTS = 2
"""What the command ends with if the file cannot be used."""


def run(
    path: Path,
    *,
    known_providers: Collection[str] = (),
    known_models: Collection[str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> int:
    """Check a file; what is found goes to standard error, one a line.

    Warnings are for a file without faults: half of them may go with the faults.

    Args:
        path: The file.
        known_providers: The ids of the shipped catalog's providers.
        known_models: Its plain names and deployment ids.
        environ: Where `{env: NAME}` is looked up.

    Returns:
        The exit code: 0, or 2 if there are faults.
    """
    try:
        loaded = config_file.load(
            path,
            known_providers=known_providers,
            known_models=known_models,
            environ=environ,
        )
    except config_file.ConfigurationError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return EXIT_FAULTS
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"OK: {printable(str(path))}: {summary(loaded)}")
    return 0


def summary(loaded: config_file.Loaded) -> str:
    """Say in one line what a configuration declares."""
    return ", ".join(
        _counted(count, noun) for noun, count in _counts(loaded.settings).items()
    ) + (f"; {_counted(len(loaded.warnings), 'warning')}" if loaded.warnings else "")


def _counts(settings: Settings) -> Mapping[str, int]:
    organizations = settings.organizations
    projects = [project for one in organizations for project in one.projects]
    return {
        "organization": len(organizations),
        "project": len(projects),
        "key": sum(len(project.keys) for project in projects),
        "provider": len(settings.providers),
        "model": len(settings.models),
        "custom model": sum(len(one.custom_models) for one in organizations),
        "alias": sum(len(one.aliases) for one in organizations),
    }


def _counted(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"
