"""Hosts that are network namespaces, on a switch of their own.

    with Network() as network:
        one = network.join("one")
        ... run `one.command([...])`, which meets the others at their addresses ...
        one.pull_cable()

Nothing joins an interface of the machine's own, so that no packet can leave. All
goes when the context ends; what a run left that was killed goes with the next one.
"""

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PREFIX = "holdfast-ha-"
_ETC = Path("/etc/netns")
_MARK = f"{PREFIX}(\\d+)-"


class HostError(Exception):
    """A command about hosts failed; it says which and why."""


@functools.cache
def why_not() -> str:
    """Return why there can be no hosts here; nothing if there can."""
    if os.geteuid() != 0:
        return "network namespaces take root"
    if shutil.which("ip") is None:
        return "there is no `ip`: it is in iproute2"
    probe = f"{PREFIX}{os.getpid()}-probe"
    try:
        _run("ip", "netns", "add", probe)
    except HostError as error:
        return f"network namespaces are not allowed: {error}"
    try:
        _run("ip", "-n", probe, "link", "add", "br0", "type", "bridge")
        _run("ip", "-n", probe, "link", "add", "a0", "type", "veth", "peer", "a1")
    except HostError as error:
        return f"the kernel lacks a bridge or veth: {error}"
    finally:
        _run("ip", "netns", "del", probe)
    return ""


def lacks_filter() -> str:
    """Return why packets cannot be dropped here; nothing if they can."""
    return "" if shutil.which("nft") else "there is no `nft`: it is in nftables"


class Host:
    """One host.

    Attributes:
        name: What it is called among the others.
        address: Its IPv4 address.
    """

    def __init__(self, name: str, namespace: str, switch: str, address: str) -> None:
        self.name = name
        self.address = address
        self._namespace = namespace
        self._switch = switch
        self._port = f"to-{name}"[:15]

    def join(self) -> None:
        """Come to be, with a cable to the switch."""
        mine, switch = self._namespace, self._switch
        _run("ip", "netns", "add", mine)
        _run(
            *("ip", "link", "add", "eth0", "netns", mine, "type", "veth"),
            *("peer", "name", self._port, "netns", switch),
        )
        _run("ip", "-n", switch, "link", "set", self._port, "master", "br0", "up")
        _run("ip", "-n", mine, "address", "add", f"{self.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            _run("ip", "-n", mine, "link", "set", link, "up")

    def command(self, command: Sequence[str]) -> list[str]:
        """Return what runs a command on this host."""
        ip = shutil.which("ip")
        assert ip is not None
        return [ip, "netns", "exec", self._namespace, *command]

    def run(self, *command: str) -> str:
        """Run a command on this host to its end, and return what it printed.

        Raises:
            HostError: It failed.
        """
        return _run("ip", "netns", "exec", self._namespace, *command)

    def pull_cable(self) -> None:
        """Leave the switch without a link: who sends is told so, in time."""
        _run("ip", "-n", self._switch, "link", "set", self._port, "down")

    def plug_in(self) -> None:
        """Take the cable back."""
        _run("ip", "-n", self._switch, "link", "set", self._port, "up")

    def black_hole(self, ways: Sequence[str] = ("input", "output")) -> None:
        """Lose every packet in silence: `input`, those that come; `output`; or both."""
        ends = {"input": "iifname", "output": "oifname"}
        self._filter("hole", **{way: [f'{ends[way]} "eth0" drop'] for way in ways})

    def lose(self, percent: int) -> None:
        """Lose so many in a hundred of the packets that come."""
        rule = f'iifname "eth0" numgen random mod 100 < {percent} drop'
        self._filter("loss", input=[rule])

    def part_from(self, other: "Host") -> None:
        """Lose every packet that comes from another host."""
        self._filter("part", input=[f"ip saddr {other.address} drop"])

    def shut_out(self, other: "Host", verdict: str = "drop") -> None:
        """Send nothing to another host, and take nothing that it sends.

        Args:
            other: Which.
            verdict: What becomes of what is sent, in nft's words.
        """
        self._filter(
            "shut",
            input=[f"ip saddr {other.address} drop"],
            output=[f"ip daddr {other.address} {verdict}"],
        )

    def close_port(self, port: int, verdict: str = "drop") -> None:
        """Lose every packet to and from a TCP port, of this host's own too.

        Args:
            port: Which.
            verdict: What becomes of them, in nft's words.
        """
        rules = [f"tcp dport {port} {verdict}", f"tcp sport {port} drop"]
        self._filter(f"port-{port}", input=rules, output=rules)

    def heal(self, *names: str) -> None:
        """Lose nothing any more.

        Args:
            names: Of what is to end: `hole`, `loss`, `part`, `shut`, `port-80`. None:
                all.
        """
        for name in names:
            self.run("nft", "delete", "table", "inet", name)
        if not names:
            self.run("nft", "flush", "ruleset")

    def _filter(self, table: str, **ways: Sequence[str]) -> None:
        chains = "".join(
            f"add chain inet {table} {way} {{ type filter hook {way} priority 0 ; }}\n"
            + "".join(f"add rule inet {table} {way} {rule}\n" for rule in rules)
            for way, rules in ways.items()
        )
        _run(
            *("ip", "netns", "exec", self._namespace, "nft", "-f", "-"),
            said=f"add table inet {table}\n{chains}",
        )

    def name_file(self) -> Path:
        """Return a file that is `/etc/hosts` to what is started from now on."""
        folder = _ETC / self._namespace
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "hosts"
        if not file.exists():
            file.write_text("127.0.0.1 localhost\n")
        return file

    def leave(self) -> None:
        """Be gone, with all that still runs here."""
        _remove(self._namespace)


class Network:
    """A switch, and the hosts on it."""

    def __init__(self) -> None:
        self._prefix = f"{PREFIX}{os.getpid()}-"
        self._switch = f"{self._prefix}switch"
        self._hosts: list[Host] = []

    def join(self, name: str) -> Host:
        """Make a host."""
        number = len(self._hosts) + 1
        host = Host(name, self._prefix + name, self._switch, f"10.77.0.{number}")
        self._hosts.append(host)
        host.join()
        return host

    def __enter__(self) -> Self:
        sweep()
        _run("ip", "netns", "add", self._switch)
        _run("ip", "-n", self._switch, "link", "add", "br0", "type", "bridge")
        _run("ip", "-n", self._switch, "link", "set", "br0", "up")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for host in self._hosts:
            host.leave()
        _remove(self._switch)


@contextlib.contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """Give a folder that holds no more than so much."""
    folder.mkdir(parents=True)
    label = f"{PREFIX}{os.getpid()}-disk"
    _run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", label, str(folder))
    try:
        yield folder
    finally:
        _run("umount", "--lazy", str(folder))


def sweep() -> None:
    """Remove what runs have left that are no more."""
    for name in _namespaces():
        if (found := re.match(_MARK, name)) and not _is_alive(int(found[1])):
            _remove(name)
    for line in Path("/proc/mounts").read_text().splitlines():
        label, folder, *_ = line.split()
        if (found := re.match(_MARK, label)) and not _is_alive(int(found[1])):
            _run("umount", "--lazy", folder)


def _namespaces() -> list[str]:
    return [line.split()[0] for line in _run("ip", "netns", "list").splitlines()]


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _remove(name: str) -> None:
    """Remove a namespace, and end what runs there."""
    if name not in _namespaces():
        return
    until = time.monotonic() + 10
    while pids := _run("ip", "netns", "pids", name).split():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        if time.monotonic() > until:
            raise HostError(f"processes {pids} do not end")
        time.sleep(0.02)
    _run("ip", "netns", "del", name)
    shutil.rmtree(_ETC / name, ignore_errors=True)
    with contextlib.suppress(OSError):
        _ETC.rmdir()


def _run(*command: str, said: str = "") -> str:
    done = subprocess.run(
        command, input=said, capture_output=True, text=True, check=False, timeout=30
    )
    if done.returncode != 0:
        raise HostError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
