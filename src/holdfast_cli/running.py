"""Where the gateway of a state directory can be called, as long as it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FILE = "gateway.url"


@contextmanager
def announced(state_dir: Path, url: str) -> Iterator[None]:
    """Let other commands find a gateway while the context lasts."""
    file = state_dir / _FILE
    file.write_text(f"{url}\n", encoding="utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def url_of(state_dir: Path) -> str | None:
    """Return where the gateway of a state directory is, None if none runs."""
    try:
        return (state_dir / _FILE).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
