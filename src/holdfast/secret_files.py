"""Notices when a secret that is kept in a file has changed.

A key that is added, or a credential that is mounted late, is then used without
a restart. Files are looked at, not watched: a mounted Kubernetes Secret changes
by a link that no watch on the file would see.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import structlog

from holdfast.settings import Secret, Settings

_log = structlog.get_logger("holdfast")

_PERIOD_S = 1.0
"""How often is looked. A mounted Secret itself takes up to a minute to change."""


async def follow(
    secrets: Iterable[Secret],
    changed: Callable[[], None],
    period_s: float = _PERIOD_S,
) -> None:
    """Call `changed`, in a thread, whenever a secret's file has changed.

    Ends when it is cancelled, or at once where no secret is in a file.
    """
    paths = sorted({secret.file for secret in secrets if secret.file})
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


def secrets_of(settings: Settings) -> Iterator[Secret]:
    """Return every secret of a configuration."""
    for provider in settings.providers.values():
        for credential in provider.credentials.values():
            yield from credential.values()
    for organization in settings.organizations:
        for custom in organization.custom_models:
            yield from (custom.credential or {}).values()
        for project in organization.projects:
            for key in project.keys:
                yield key.key


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - one call for all
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
