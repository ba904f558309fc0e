"""Run the gateway that TensorZero's wheel embeds; print its URL.

Run by the Python of bench/.peers/tensorzero, which has the wheel and nothing of ours.
"""

import signal
import sys

import tensorzero  # type: ignore[import-not-found]

gateway = tensorzero._start_http_gateway(  # noqa: SLF001 - the wheel has no other way
    config_file=sys.argv[1],
    clickhouse_url=None,
    postgres_url=None,
    valkey_url=None,
    async_setup=False,
)
print(gateway.base_url, flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
