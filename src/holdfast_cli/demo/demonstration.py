"""A running demo: simulated providers, a configuration that names them, a key."""

import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from holdfast.catalog import load_shipped
from holdfast.config_file import parse
from holdfast.settings import Settings
from holdfast_cli.demo.process import SimulatorProcess
from holdfast_cli.demo.scenario import Scenario, scenario
from holdfast_cli.demo.state import DemoState
from holdfast_cli.ports import usual_or_free

STATE_DIR = Path(".holdfast")
"""Where the demo keeps its state; git ignores it."""

_PORT = 8080
"""The edge's by default; the greeting says so where another one had to do."""

_KEY_FILE = "demo.key"
ADMIN_KEY_FILE = "demo.admin.key"
"""Where other commands find the key that administrates the demo."""

_CONFIGURATION_FILE = "demo.yaml"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A demo whose providers are simulated, as far as no credential is held.

    Attributes:
        config: The configuration file to run the gateway with.
        key: The API key of the demo's project.
        admin_key: The one that administrates the demo's organization.
    """

    config: Path
    key: str
    admin_key: str
    scenario: Scenario

    @classmethod
    @asynccontextmanager
    async def running(
        cls, environ: Mapping[str, str] = os.environ
    ) -> AsyncIterator["Demonstration"]:
        """Run the simulated providers while the context lasts.

        Raises:
            SimulatorFailedError: They did not start.
        """
        STATE_DIR.mkdir(parents=True, exist_ok=True)
        key = _key(STATE_DIR / _KEY_FILE, "hf-demo")
        admin_key = _key(STATE_DIR / ADMIN_KEY_FILE, "hf-demo-admin")
        simulator = await SimulatorProcess.start()
        try:
            with usual_or_free(_PORT) as listen:
                what = scenario(
                    load_shipped(),
                    simulator_port=simulator.port,
                    key=key,
                    admin_key=admin_key,
                    listen=listen,
                    state_dir=STATE_DIR.resolve(),
                    environ=environ,
                )
                config = STATE_DIR / _CONFIGURATION_FILE
                config.touch(mode=0o600)
                config.write_text(what.configuration, encoding="utf-8")
                what.state.write(STATE_DIR)
                try:
                    yield cls(config, key, admin_key, what)
                finally:
                    DemoState.remove(STATE_DIR)
        finally:
            await simulator.stop()

    def greeting(self, address: str) -> str:
        """Say what runs and what to try first."""
        real = ", ".join(self.scenario.real)
        called_for_real = f"\ncalled for real, with your credentials: {real}"
        usual = address.endswith(f":{_PORT}")
        elsewhere = f"    (port {_PORT} is taken; this one is free)"
        return f"""
The demo: simulated providers, the real catalog.{called_for_real if real else ""}

    address    http://{address}{"" if usual else elsewhere}
    key        {self.key}
    admin key  {self.admin_key}

Try a call, then take a provider down and call again:

    curl -i http://{address}/v1/chat/completions \\
      -H 'x-opper-api-key: {self.key}' -H 'content-type: application/json' \\
      -d '{{"model": "claude-sonnet-4-5", \
"messages": [{{"role": "user", "content": "Hello"}}]}}'

    .venv/bin/holdfast demo fail aws 429     # and: demo recover, demo status
    .venv/bin/holdfast explain claude-sonnet-4-5

Make an alias, and call it like any model:

    curl http://{address}/v2/models/aliases \\
      -H 'x-opper-api-key: {self.admin_key}' -H 'content-type: application/json' \\
      -d '{{"name": "default-llm", \
"fallback_models": ["claude-sonnet-4-5", "gpt-oss-120b"], \
"description": "Sonnet, then open weights"}}'

    curl http://{address}/v1/chat/completions \\
      -H 'x-opper-api-key: {self.key}' -H 'content-type: application/json' \\
      -d '{{"model": "default-llm", \
"messages": [{{"role": "user", "content": "Hello"}}]}}'

    .venv/bin/holdfast aliases list          # and: keys, policies, budgets, history
"""


def demo_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the demo's settings without running it, for commands that ask.

    The endpoints in them are those of the demo that runs, if one does.
    """
    running = DemoState.read(STATE_DIR)
    port = int(running.control_uri.rpartition(":")[2]) if running else 1
    what = scenario(
        load_shipped(),
        simulator_port=port,
        key="not-used",
        admin_key="not-used-either",
        environ=environ,
    )
    return parse(what.configuration, STATE_DIR / _CONFIGURATION_FILE).settings


def _key(path: Path, prefix: str) -> str:
    """Return one of the demo's keys: the same one at each start."""
    if not path.exists() or not path.read_text(encoding="utf-8").strip():
        path.touch(mode=0o600)
        path.write_text(f"{prefix}-{secrets.token_urlsafe(18)}\n", encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()
