"""Notices when a secret that is kept in a file has changed.

A key that is added, or a credential that is mounted late, is then used without
a restart. Files are looked at, not watched: a mounted Kubernetes Secret changes
by a link that no watch on the file would see.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from holdfast.settings import Credential, Secret, Settings

_log = structlog.get_logger("holdfast.resolver")

_PERIOD_S = 2.0
"""How often is looked. A mounted Secret itself takes up to a minute to change."""


async def follow(
    settings: Settings, changed: Callable[[], None], period_s: float = _PERIOD_S
) -> None:
    """Call `changed` whenever a file of the settings has changed, until cancelled."""
    paths = sorted({secret.file for secret in _secrets(settings) if secret.file})
    if not paths:
        return
    seen = [_state(path) for path in paths]
    while True:
        await asyncio.sleep(period_s)
        now = await asyncio.to_thread(lambda: [_state(path) for path in paths])
        if now != seen:
            seen = now
            _log.info("secret_files_changed")
            await asyncio.to_thread(changed)


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - one call for both
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _secrets(settings: Settings) -> Iterator[Secret]:
    for provider in settings.providers.values():
        yield from _parts(provider.credential)
    for organization in settings.organizations:
        for custom in organization.custom_models:
            yield from _parts(custom.credential)
        for project in organization.projects:
            for key in project.keys:
                yield key.key


def _parts(credential: Credential | None) -> Iterator[Secret]:
    if credential is not None:
        yield from credential.values()
