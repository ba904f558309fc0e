"""Secrets in files are used as they are now."""

import asyncio
from pathlib import Path

from holdfast.secret_files import follow, secrets_of
from holdfast.settings import ProviderSettings, Secret, Settings


async def test_a_file_that_appears_and_changes_is_noticed_each_time(
    tmp_path: Path,
) -> None:
    """A credential that is mounted late, and one that is rotated, are both seen."""
    path = tmp_path / "key"
    provider = ProviderSettings("lab", {"one": {"key": Secret(file=path)}})
    settings = Settings(providers={"lab": provider})
    loop = asyncio.get_running_loop()
    noticed: asyncio.Queue[str] = asyncio.Queue()

    def changed() -> None:
        loop.call_soon_threadsafe(noticed.put_nowait, path.read_text())

    def put(secret: str) -> None:
        (tmp_path / "next").write_text(secret)
        (tmp_path / "next").rename(path)

    following = asyncio.create_task(
        follow(secrets_of(settings), changed, period_s=0.01)
    )
    await asyncio.sleep(0)
    put("one")
    async with asyncio.timeout(10):
        first = await noticed.get()
    put("two")
    async with asyncio.timeout(10):
        second = await noticed.get()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)

    assert (first, second) == ("one", "two")


async def test_without_files_there_is_nothing_to_follow() -> None:
    """Settings whose secrets stand in the text or the environment cost nothing."""
    async with asyncio.timeout(10):
        await follow(secrets_of(Settings()), lambda: None)
