"""Where a running demo is: a file in the state directory that names its port."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

_FILE = "demo.json"


@dataclass(frozen=True, slots=True)
class Place:
    """What a deployment is to the simulator."""

    provider: str
    model: str
    region: str = ""


@dataclass(frozen=True, slots=True)
class DemoState:
    """A running demo.

    Attributes:
        control_uri: The simulator's, e.g. `http://127.0.0.1:9100`.
        places: Every simulated deployment by its id.
    """

    control_uri: str
    places: Mapping[str, Place]

    @property
    def providers(self) -> list[str]:
        """The ids of the simulated providers."""
        return sorted({place.provider for place in self.places.values()})

    def write(self, state_dir: Path) -> None:
        """Leave word of the demo in its state directory."""
        state_dir.mkdir(parents=True, exist_ok=True)
        (state_dir / _FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def remove(state_dir: Path) -> None:
        """Take the word back, when the demo ends."""
        with contextlib.suppress(FileNotFoundError):
            (state_dir / _FILE).unlink()

    @classmethod
    def read(cls, state_dir: Path) -> "DemoState | None":
        """Find the demo of a state directory; None if there is none."""
        try:
            written = json.loads((state_dir / _FILE).read_text(encoding="utf-8"))
            places = {key: Place(**each) for key, each in written["places"].items()}
            return cls(str(written["control_uri"]), places)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
