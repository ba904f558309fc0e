"""The first minute: `holdfast up` without a word of configuration."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.demo import Demo, holdfast
from fakes.patience import until

pytestmark = pytest.mark.system

PINNED = "aws/claude-sonnet-4-5-eu"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Give a demo that the module's tests share; each leaves it as it was."""
    with Demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


class TestGreeting:
    """What it says is enough to go on with."""

    def test_the_first_line_says_where_it_is_ready(self, demo: Demo) -> None:
        """Alone on its line, for scripts."""
        ready, grpc, *_ = demo.greeting.splitlines()

        assert ready.startswith("ready http://127.0.0.1:")
        assert grpc.startswith("grpc resolver 127.0.0.1:")

    def test_the_call_to_paste_is_answered(self, demo: Demo) -> None:
        """As it stands, with address and key."""
        answer = demo.paste()

        assert answer.status_code == 200
        assert answer.json()["model"] == "claude-sonnet-4-5"
        assert answer.json()["usage"]["cost"] > 0

    def test_the_alias_to_paste_is_made_and_called(self, demo: Demo) -> None:
        """One call makes it with the admin key, the next calls it like any model."""
        made = demo.paste(call=1)
        answer = demo.paste(call=2)
        listed = demo.run("aliases", "list")
        deleted = demo.run("aliases", "delete", "default-llm")

        assert made.json()["fallback_models"] == ["claude-sonnet-4-5", "gpt-oss-120b"]
        assert answer.json()["model"] == "claude-sonnet-4-5"
        assert (listed.status, deleted.status) == (0, 0)
        assert "default-llm  claude-sonnet-4-5, gpt-oss-120b" in listed.out

    def test_each_of_its_keys_does_its_own_work(self, demo: Demo) -> None:
        """One calls models, the other administrates."""
        keys = demo.run("keys", "list", "--json")
        (demo.folder / "runtime.key").write_text(
            (demo.folder / ".holdfast" / "demo.key").read_text()
        )
        refused = demo.run("keys", "list", "--key-file", "runtime.key")

        assert {key["id"]: key["admin"] for key in json.loads(keys.out)} == {
            "demo": False,
            "demo-admin": True,
        }
        assert (refused.status, refused.out) == (1, "")
        assert refused.err.startswith("admin_key_required: ")

    def test_a_second_demo_finds_another_port_and_says_so(
        self, demo: Demo, tmp_path: Path
    ) -> None:
        """Whoever has 8080 keeps it."""
        with Demo(tmp_path) as second:
            answer = second.paste()

        assert "port 8080 is taken" in second.greeting
        assert answer.status_code == 200
        assert demo.paste().status_code == 200

    def test_a_second_demo_in_the_same_folder_is_refused(self, demo: Demo) -> None:
        """And the first one can still be told to fail."""
        said = demo.run("up")

        assert (said.status, said.out) == (2, "")
        assert "another gateway uses .holdfast" in said.err
        assert demo.run("demo", "status").status == 0


class TestFailing:
    """A newcomer watches a failover."""

    def test_a_provider_fails_and_recovers_when_told(self, demo: Demo) -> None:
        """Pinned to it a call fails; by the plain name it is answered."""
        failing = demo.run("demo", "fail", "aws", "429")
        pinned = demo.paste(PINNED)
        plain = [demo.paste() for _ in range(3)]
        recovering = demo.run("demo", "recover", "aws")
        mended = demo.paste(PINNED)

        assert (failing.status, recovering.status) == (0, 0)
        assert failing.out == "aws fails with 429 until it recovers\n"
        assert pinned.status_code == 429
        assert {answer.status_code for answer in plain} == {200}
        assert "aws" not in {a.headers["x-holdfast-provider"] for a in plain}
        assert mended.status_code == 200

    def test_the_status_lists_every_provider(self, demo: Demo) -> None:
        """Those that nobody has called yet, too."""
        demo.run("demo", "fail", "nebius", "hang", "--times", "2")
        said = demo.run("demo", "status")

        assert said.status == 0
        heading, *rows = (line.split(maxsplit=3) for line in said.out.splitlines())
        assert heading == ["PROVIDER", "RECEIVED", "SERVED", "FAULT"]
        assert ["nebius", "0", "0", "hang (2 more)"] in rows
        assert {"aws", "gcp", "mistral"} <= {row[0] for row in rows}

    @pytest.mark.parametrize(
        ("arguments", "hint"),
        [
            (("fail", "awz", "429"), "did you mean aws?"),
            (("fail", "aws", "430"), "there are 400, 401"),
            (("recover", "aws/claude-sonnet-4-5-e"), f"did you mean {PINNED}?"),
        ],
    )
    def test_a_wrong_word_is_refused_with_a_hint(
        self, demo: Demo, arguments: tuple[str, ...], hint: str
    ) -> None:
        """On standard error, with status 2."""
        said = demo.run("demo", *arguments)

        assert (said.status, said.out) == (2, "")
        assert hint in said.err

    def test_without_a_demo_it_says_how_to_start_one(self, tmp_path: Path) -> None:
        """Where none runs there is nothing to tell."""
        said = holdfast(tmp_path, "demo", "status")

        assert said.status == 2
        assert "no demo runs" in said.err
        assert "holdfast up" in said.err


class TestAsking:
    """The commands that explain, on the demo's configuration."""

    def test_explain_lays_out_the_plan(self, demo: Demo) -> None:
        """Who would be tried, and who not and why."""
        said = demo.run("explain", "claude-sonnet-4-5")

        assert said.status == 0
        placed, _, excluded = said.out.partition("excluded")
        assert f" {PINNED} " in placed
        assert "anthropic/claude-sonnet-4-5 " in placed
        assert "no credential for provider" in excluded

    def test_explain_of_no_model_names_those_that_are_near(self, demo: Demo) -> None:
        """With status 2."""
        said = demo.run("explain", "claude-sonet-4-5")

        assert (said.status, said.out) == (2, "")
        assert "'claude-sonnet-4-5'" in said.err

    def test_models_lists_what_may_be_called(self, demo: Demo) -> None:
        """As data, for programs."""
        said = demo.run("models", "--json")

        assert said.status == 0
        names = {model["model"] for model in json.loads(said.out)["models"]}
        assert {"claude-sonnet-4-5", "gpt-oss-120b", "mistral-medium-3.5"} <= names

    def test_check_takes_the_demos_configuration(self, demo: Demo) -> None:
        """It is a file like any other."""
        said = demo.run("check", ".holdfast/demo.yaml")

        assert said.status == 0
        assert said.out.startswith("OK: ")

    def test_check_says_where_the_fault_is(self, tmp_path: Path) -> None:
        """File, line, field and remedy, with status 2."""
        (tmp_path / "wrong.yaml").write_text("listen: 127.0.0.1:8080\nprovider: {}\n")

        said = holdfast(tmp_path, "check", "wrong.yaml")

        assert (said.status, said.out) == (2, "")
        assert said.err.startswith("wrong.yaml:2: provider: ")
        assert "providers" in said.err


class TestEnding:
    """Nothing is left behind."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_it_stops_cleanly_when_told(
        self, tmp_path: Path, number: signal.Signals
    ) -> None:
        """With status 0, and with all that it had started."""
        with Demo(tmp_path) as demo:
            demo.paste()
            children = demo.children

            status = demo.stop(number)

        assert status == 0
        assert len(children) >= 2
        await until(lambda: not any(child.is_alive for child in children))
        assert holdfast(tmp_path, "demo", "status").status == 2

    async def test_when_it_is_killed_its_children_end_too(self, tmp_path: Path) -> None:
        """No etcd, no simulator; and it can be started again at once."""
        with Demo(tmp_path) as demo:
            children = demo.children
            demo.stop(signal.SIGKILL)

        with Demo(tmp_path) as again:
            answer = again.paste()

        assert len(children) >= 2
        await until(lambda: not any(child.is_alive for child in children))
        assert answer.status_code == 200
