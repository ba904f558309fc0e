"""Administration on the command line, of a gateway that runs."""

import asyncio
import contextlib
import io
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.administration import ADMIN_KEY, MemoryAdministration
from fakes.ledgers import LedgerThatAnswers
from fakes.services import KEY, AnsweringExecutor, ResolverOfOneKey
from holdfast_cli.demo.demonstration import ADMIN_KEY_FILE
from holdfast_cli.main import main
from holdfast_cli.running import announced, url_of
from holdfast_edge.app import create_app
from holdfast_edge.server import EdgeServer

HOLDFAST = str(Path(sys.executable).with_name("holdfast"))

Said = tuple[int, str, str]
Run = Callable[..., Awaitable[Said]]


@pytest.fixture
def administration() -> MemoryAdministration:
    """Give what keeps the gateway's resources."""
    return MemoryAdministration()


@pytest.fixture
async def url(administration: MemoryAdministration) -> AsyncIterator[str]:
    """Give the address of an edge."""

    async def ready() -> bool:
        return True

    app = create_app(
        ResolverOfOneKey(),
        AnsweringExecutor(),
        administration,
        LedgerThatAnswers(),
        ready=ready,
    )
    server = EdgeServer(app, "127.0.0.1:0", grace=timedelta(seconds=5))
    yield f"http://{await server.start()}"
    await server.stop()


def main_in_process(arguments: tuple[str, ...]) -> Said:
    """Run a command as the entry point does, without the time that a process takes."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as ended:
            status = ended.code
    assert isinstance(status, int)
    return status, out.getvalue(), err.getvalue()


async def run_holdfast(folder: Path, *arguments: str, **environ: str) -> Said:
    """Run a command in a folder; return its status and what it printed."""
    inherited = {n: v for n, v in os.environ.items() if not n.startswith("HOLDFAST_")}
    process = await asyncio.create_subprocess_exec(
        HOLDFAST,
        *arguments,
        cwd=folder,
        env={**inherited, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def run(url: str, tmp_path: Path) -> Run:
    """Run commands against the edge, with the admin key."""

    async def run(*arguments: str, key: str = ADMIN_KEY) -> Said:
        (tmp_path / "key").write_text(key)
        keyed = ("--key-file", str(tmp_path / "key"), "--url", url)
        return await asyncio.to_thread(main_in_process, (*arguments, *keyed))

    return run


async def data(run: Run, *arguments: str) -> Any:
    """Run a command that succeeds, and return what it says as JSON."""
    status, out, err = await run(*arguments, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


class TestAliases:
    """As any kind that is found by its name and edited by its id."""

    async def test_are_made_listed_changed_and_deleted(self, run: Run) -> None:
        """In a table that people can read."""
        made = await run(
            *("aliases", "create", "default-llm", "--description", "Two of them"),
            *("--fallback-models", "claude-sonnet-4-5, gpt-oss-120b"),
        )
        listed = await run("aliases", "list")
        changed = await run(
            "aliases", "update", "default-llm", "--fallback-models", "gpt-oss-120b"
        )
        shown = await run("aliases", "get", "default-llm")
        deleted = await run("aliases", "delete", "default-llm")
        after = await run("aliases", "list")

        assert made[0] == listed[0] == changed[0] == shown[0] == deleted[0] == 0
        heading, row = listed[1].splitlines()
        assert heading.split() == [
            "name",
            "fallback",
            "models",
            "description",
            "source",
        ]
        assert row.split("  ")[:3] == [
            "default-llm",
            "claude-sonnet-4-5, gpt-oss-120b",
            "Two of them",
        ]
        assert "gpt-oss-120b" in shown[1]
        assert "claude" not in shown[1]
        assert "Two of them" in shown[1]
        assert after[1] == "There are none.\n"

    async def test_are_printed_as_json(self, run: Run) -> None:
        """As the gateway shows them."""
        made = await data(run, "aliases", "create", "a", "--fallback-models", "m")

        assert made["fallback_models"] == ["m"]
        assert await data(run, "aliases", "list") == [made]
        assert await data(run, "aliases", "get", "a") == made

    async def test_names_may_hold_slashes(self, run: Run) -> None:
        """As namespaces do."""
        await data(run, "aliases", "create", "prod/main", "--fallback-models", "m")

        shown = await data(run, "aliases", "get", "prod/main")

        assert shown["name"] == "prod/main"


class TestFields:
    """Fields as options."""

    async def test_fields_within_fields_have_options(self, run: Run) -> None:
        """Named by both."""
        policy = await data(
            run,
            *("policies", "set", "--project", "web", "--geographies", "eu,us"),
            *("--providers-deny", "openai", "--data-training", "deny"),
            *("--data-max-retention-days", "0"),
        )

        assert policy["project"] == "web"
        assert policy["geographies"] == ["eu", "us"]
        assert policy["providers"] == {"allow": [], "deny": ["openai"]}
        assert policy["data"] == {"training": "deny", "max_retention_days": 0}

    async def test_set_changes_what_is_there(self, run: Run) -> None:
        """And leaves alone what is not mentioned, or takes it back."""
        await data(run, "policies", "set", "--geographies", "eu", "--models-deny", "m")

        changed = await data(run, "policies", "set", "--geographies", "us")
        unset = await data(run, "policies", "set", "--unset", "models")

        assert changed["geographies"] == ["us"]
        assert changed["models"]["deny"] == ["m"]
        assert unset["models"]["deny"] == []
        assert await data(run, "policies", "get") == unset

    async def test_what_is_no_word_or_number_is_json(
        self, run: Run, tmp_path: Path
    ) -> None:
        """On the command line or in a file."""
        patterns = [{"name": "ticket", "regex": "T-[0-9]+", "flags": ""}]

        by_option = await data(
            run, "guardrails", "create", "a", "--patterns", json.dumps(patterns)
        )
        (tmp_path / "b.json").write_text(
            json.dumps({"patterns": patterns, "action": "block"})
        )
        by_file = await data(
            run, "guardrails", "create", "b", "--file", str(tmp_path / "b.json")
        )

        assert by_option["patterns"] == by_file["patterns"] == patterns
        assert by_file["action"] == "block"

    async def test_a_credential_is_read_from_a_file(
        self, run: Run, administration: MemoryAdministration, tmp_path: Path
    ) -> None:
        """It is in no list of processes, and not printed."""
        (tmp_path / "secret").write_text("sk-secret\n")

        _, out, _ = await run(
            *("custom-models", "create", "acme/tuned"),
            *("--identifier", "openai/tuned-7b", "--api-key-file"),
            str(tmp_path / "secret"),
            *("--extra", '{"api_base": "https://tuned.example.com/v1"}'),
        )

        assert administration.credentials == {"acme/tuned": "sk-secret"}
        assert "https://tuned.example.com/v1" in out
        assert "sk-secret" not in out

    @pytest.mark.parametrize(
        "arguments",
        [
            ("guardrails", "create", "a", "--patterns", "{"),
            ("guardrails", "create", "a", "--action", "explode"),
            ("keys", "create", "web", "ci", "--requests-per-minute", "many"),
            ("aliases", "create"),
            ("aliases", "explode"),
        ],
    )
    async def test_a_command_that_is_wrong_is_not_sent(
        self, run: Run, arguments: tuple[str, ...]
    ) -> None:
        """With status 2, as every command."""
        status, out, err = await run(*arguments)

        assert (status, out) == (2, "")
        assert "usage: holdfast" in err


class TestKeys:
    """Keys, of one project or of all."""

    async def test_a_secret_is_printed_once(self, run: Run) -> None:
        """Alone on its line, and with a word on that."""
        status, out, _ = await run("keys", "create", "web", "ci", "--name", "For CI")
        listed = await run("keys", "list")

        (secret,) = (line.strip() for line in out.splitlines() if "hf-" in line)
        assert status == 0
        assert secret.startswith("hf-")
        assert "not shown again" in out
        assert secret not in listed[1]
        assert "For CI" in listed[1]

    async def test_are_rotated_disabled_and_enabled(self, run: Run) -> None:
        """Each with one command."""
        made = await data(run, "keys", "create", "web", "ci")

        rotated = await data(run, "keys", "rotate", "web", "ci", "--overlap-s", "60")
        disabled = await data(run, "keys", "disable", "web", "ci")
        enabled = await data(run, "keys", "enable", "web", "ci")

        assert rotated["secret"] not in ("", made["secret"])
        assert (disabled["disabled"], enabled["disabled"]) == (True, False)

    async def test_are_listed_of_every_project(self, run: Run) -> None:
        """Unless one is named."""
        await data(run, "projects", "create", "batch")
        await data(run, "keys", "create", "web", "one")
        await data(run, "keys", "create", "batch", "two", "--admin")

        every = await data(run, "keys", "list")
        of_one = await data(run, "keys", "list", "batch")

        assert [(key["project"], key["id"]) for key in every] == [
            ("web", "one"),
            ("batch", "two"),
        ]
        assert [key["id"] for key in of_one] == ["two"]
        assert of_one[0]["admin"]


async def test_history_is_listed_compared_and_undone(run: Run) -> None:
    """Who did what; what differs, field by field; and going back."""
    await data(run, "budgets", "set", "--monthly-usd", "10")
    await data(run, "budgets", "set", "--monthly-usd", "20")

    _, listed, _ = await run("history", "list")
    _, compared, _ = await run("history", "compare", "1", "2")
    _, rolled, _ = await run("history", "rollback", "1")
    budget = await data(run, "budgets", "get")

    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["2", "1"]
    assert "acme/web/admin" in listed
    assert compared.splitlines()[1].split()[-3:] == ["monthly_usd", "10", "20"]
    assert "roll_back" in rolled
    assert budget["monthly_usd"] == "10"


async def test_organizations_and_other_organizations(run: Run) -> None:
    """One that the key administers is named by an option."""
    made = await data(run, "organizations", "create", "acme-two", "--name", "Two")
    of_it = await data(run, "projects", "create", "p", "--organization", "acme-two")
    of_own = await data(run, "projects", "list")

    assert (made["id"], made["name"]) == ("acme-two", "Two")
    assert of_it["organization"] == "acme-two"
    assert [project["id"] for project in of_own] == ["web"]


class TestRefusals:
    """One line on standard error, and status 1."""

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("aliases", "get", "nobody"), "not_found: "),
            (("aliases", "create", "a"), "invalid_request: `fallback_models`"),
            (("projects", "delete", "web"), "declared_in_file: "),
            (("history", "compare", "1", "99"), "generation_gone: "),
        ],
    )
    async def test_say_why(
        self, run: Run, arguments: tuple[str, ...], told: str
    ) -> None:
        """In the gateway's words."""
        status, out, err = await run(*arguments)

        assert (status, out) == (1, "")
        assert err.startswith(told)
        assert err.count("\n") == 1

    async def test_a_key_that_may_not(self, run: Run) -> None:
        """It is the gateway that says so."""
        status, _, err = await run("budgets", "list", key=KEY)

        assert status == 1
        assert err.startswith("admin_key_required: ")

    async def test_no_key(self, url: str, tmp_path: Path) -> None:
        """With how to give one."""
        status, _, err = await run_holdfast(tmp_path, "budgets", "list", "--url", url)

        assert status == 1
        assert "HOLDFAST_KEY" in err
        assert "--key-file" in err

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:1", "nonsense", "http://", "ftp://x"]
    )
    async def test_no_gateway(self, tmp_path: Path, url: str) -> None:
        """With how to start one."""
        status, _, err = await run_holdfast(
            tmp_path, "aliases", "list", "--url", url, HOLDFAST_KEY="k"
        )

        assert status == 1
        assert f"no gateway answers at {url.rstrip('/')} " in err
        assert err.count("\n") == 1


class TestFinding:
    """Which gateway, and with which key."""

    async def test_that_of_the_state_directory(self, url: str, tmp_path: Path) -> None:
        """As it says itself while it runs, with the demo's key if it is a demo."""
        state = tmp_path / ".holdfast"
        state.mkdir()
        (state / ADMIN_KEY_FILE).write_text(f"{ADMIN_KEY}\n")

        with announced(state, url):
            status, out, err = await run_holdfast(tmp_path, "projects", "list")
        after = url_of(state)

        assert (status, err) == (0, "")
        assert "web" in out
        assert after is None

    async def test_the_demos_key_is_for_the_demo(
        self, url: str, tmp_path: Path
    ) -> None:
        """It is not sent to another gateway."""
        state = tmp_path / ".holdfast"
        state.mkdir()
        (state / ADMIN_KEY_FILE).write_text(f"{ADMIN_KEY}\n")

        status, _, err = await run_holdfast(tmp_path, "projects", "list", "--url", url)

        assert status == 1
        assert "no API key" in err

    async def test_a_key_from_a_file(self, url: str, tmp_path: Path) -> None:
        """It comes before the variable."""
        (tmp_path / "key").write_text(f"{ADMIN_KEY}\n")

        status, _, _ = await run_holdfast(
            tmp_path,
            *("projects", "list", "--url", url, "--key-file", "key"),
            HOLDFAST_KEY="another",
        )
        missing = await run_holdfast(
            tmp_path, "projects", "list", "--url", url, "--key-file", "none"
        )

        assert status == 0
        assert missing[0] == 1
        assert "cannot read none" in missing[2]
