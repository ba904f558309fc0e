"""What an operator of the demo sees: the log, its control, its process."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import yaml

from fakes.demo_calls import HI, MODEL
from fakes.provider import SimulatedProviders
from holdfast import config_file
from holdfast.catalog import load_shipped
from holdfast.model import Catalog, Deployment, Model, Provider
from holdfast_cli.demo.control import (
    DemoControl,
    DemoError,
    FaultOptions,
    status_table,
)
from holdfast_cli.demo.process import SimulatorProcess
from holdfast_cli.demo.scenario import MODELS, scenario
from holdfast_cli.demo.state import DemoState, Place


class TestLog:
    def test_what_a_provider_received(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """The bytes of a request and its headers can be asserted on."""
        gpt.chat.completions.create(model=MODEL, messages=HI, seed=7)
        (received,) = sim.received("aws")

        assert (received.model, received.region) == (MODEL, "eu-north-1")
        assert received.parsed["seed"] == 7
        assert received.headers["authorization"] == "Bearer demo"
        assert sim.received("gcp") == []

    def test_a_caller_that_leaves_is_counted(self, sim: SimulatedProviders) -> None:
        """A provider knows whether a request was cancelled or answered."""
        sim.fail("aws", "stall", after=1)
        with httpx.stream(
            "POST",
            f"{sim.base_uri('aws')}/chat/completions",
            json={"model": MODEL, "messages": HI, "stream": True},
        ) as response:
            next(response.iter_bytes())
        while not sim.tally("aws").abandoned:
            pass

        assert sim.tally("aws").served == 0


class TestControl:
    @pytest.fixture
    def control(self, sim: SimulatedProviders, tmp_path: Path) -> DemoControl:
        places = {"aws/claude-sonnet-4-5-eu": Place("aws", MODEL, "eu-north-1")}
        DemoState(f"http://127.0.0.1:{sim.port}", places).write(tmp_path)
        return DemoControl(tmp_path)

    def test_failing_and_recovering(
        self, control: DemoControl, gpt: openai.OpenAI
    ) -> None:
        """A deployment named as callers name it fails, and recovers."""
        said = control.fail(
            "aws/claude-sonnet-4-5-eu", "429", FaultOptions(retry_after="9")
        )
        with pytest.raises(openai.RateLimitError) as caught:
            gpt.chat.completions.create(model=MODEL, messages=HI)
        table = status_table(control.status())
        control.recover("aws")

        assert said == "aws/claude-sonnet-4-5-eu fails with 429 until it recovers"
        assert caught.value.response.headers["retry-after"] == "9"
        assert f"429 at {MODEL} eu-north-1" in table
        assert gpt.chat.completions.create(model=MODEL, messages=HI).choices

    def test_failing_now_and_then(self, control: DemoControl) -> None:
        """What is said and shown has how often."""
        said = control.fail("aws", "unfit", FaultOptions(share=0.5, times=3))

        assert said == "aws fails with unfit in 50% of cases for 3 requests"
        assert "unfit in 50% (3 more)" in status_table(control.status())

    def test_an_unknown_provider_is_told_apart(self, control: DemoControl) -> None:
        """A slip of the finger gets a hint, and what there is."""
        with pytest.raises(DemoError, match=r"did you mean aws/claude-sonnet-4-5-eu"):
            control.fail("aws/claude-sonnet-45-eu", "429")
        with pytest.raises(DemoError, match=r"providers: aws"):
            control.recover("gpc")

    def test_an_unknown_fault_names_what_exists(self, control: DemoControl) -> None:
        """Every fault is listed where one is misspelt."""
        with pytest.raises(DemoError, match=r"error-mid-stream"):
            control.fail("aws", "boom")

    def test_no_demo_runs(self, tmp_path: Path) -> None:
        """Without a demo, it says how to start one."""
        with pytest.raises(DemoError, match="make run"):
            DemoControl(tmp_path)

    def test_a_demo_that_has_ended(self, tmp_path: Path) -> None:
        """A demo that was killed left its file, and is not there."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
            DemoState(uri, {"aws/x": Place("aws", "x")}).write(tmp_path)

            with pytest.raises(DemoError, match="does not answer"):
                DemoControl(tmp_path).status()

    @pytest.mark.parametrize(
        "wanted",
        [
            {"fault": "429"},
            {"provider": "aws", "fault": "boom"},
            {"provider": "aws", "fault": "429", "times": 0},
            {"provider": "aws", "fault": "429", "share": 0},
            {"provider": "aws", "fault": "429", "share": 1.5},
            {"provider": "aws", "fault": "429", "share": "half"},
            {"provider": "aws", "fault": "429", "tims": 1},
        ],
    )
    def test_a_wrong_order_is_refused(
        self, sim: SimulatedProviders, wanted: dict[str, Any]
    ) -> None:
        """The control API says what is wrong and changes nothing."""
        uri = f"http://127.0.0.1:{sim.port}/control"
        response = httpx.post(f"{uri}/fail", json=wanted)

        assert response.status_code == 400
        assert response.json()["error"]
        assert httpx.get(f"{uri}/status").json() == {"providers": {}}


class TestProcess:
    async def test_it_answers_and_stops(self) -> None:
        """A process of its own serves as soon as it has started."""
        process = await SimulatorProcess.start(providers=["aws", "gcp"])
        async with httpx.AsyncClient() as client:
            status = await client.get(f"http://127.0.0.1:{process.port}/control/status")
        await process.stop()

        assert list(status.json()["providers"]) == ["aws", "gcp"]

    async def test_it_dies_with_its_parent(self) -> None:
        """Killing whoever started it, even with -9, leaves nothing behind."""
        program = (
            "import asyncio\n"
            "from holdfast_cli.demo.process import SimulatorProcess\n"
            "async def main():\n"
            "    process = await SimulatorProcess.start()\n"
            "    print(process.port, flush=True)\n"
            "    await asyncio.Event().wait()\n"
            "asyncio.run(main())\n"
        )
        parent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program), stdout=asyncio.subprocess.PIPE
        )
        assert parent.stdout is not None
        port = int(await parent.stdout.readline())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        os.kill(parent.pid, signal.SIGKILL)
        await parent.wait()
        end = await asyncio.wait_for(reader.read(), 10)
        writer.close()

        assert end == b""


class TestScenario:
    @staticmethod
    def catalog() -> Catalog:
        def deployment(provider: str, region: str) -> Deployment:
            return Deployment(
                id=f"{provider}/claude-sonnet-4-5-{region or 'any'}",
                model_id="claude-sonnet-4-5",
                provider_id=provider,
                provider_model=f"{region}.claude",
                dialect="",
                base_uri="",
                region=region,
            )

        def provider(name: str, dialect: str, *variables: str) -> Provider:
            auth = "sigv4" if dialect == "bedrock-converse" else "bearer"
            return Provider(name, name, dialect, auth, "https://x", variables)

        providers = [
            provider("anthropic", "anthropic-messages", "ANTHROPIC_API_KEY"),
            provider("aws", "bedrock-converse", "AWS_ACCESS_KEY_ID"),
            provider("groq", "openai-chat", "GROQ_API_KEY"),
            provider("elsewhere", "openai-chat", "ELSEWHERE_API_KEY"),
            Provider(
                *("azure", "Azure", "openai-chat", "api-key"),
                "https://{AZURE_RESOURCE_NAME}.example.com/v1",
                ("AZURE_API_KEY",),
            ),
        ]
        places = [("anthropic", ""), ("aws", "eu-north-1"), ("groq", "")]
        deployments = tuple(deployment(*place) for place in places)
        model = Model("claude-sonnet-4-5", deployments=deployments)
        return Catalog(
            models={model.id: model}, providers={each.id: each for each in providers}
        )

    def test_without_credentials_everything_is_simulated(self) -> None:
        """Each provider of the demo has its endpoint in the simulator."""
        demo = scenario(
            self.catalog(), simulator_port=9, key="k", admin_key="a", environ={}
        )
        written = yaml.safe_load(demo.configuration)

        assert demo.simulated == ("anthropic", "aws", "azure", "groq")
        assert {
            name: (each["dialect"], each["base_uri"])
            for name, each in written["providers"].items()
        } == {
            "anthropic": ("anthropic-messages", "http://127.0.0.1:9/anthropic"),
            "aws": ("bedrock-converse", "http://127.0.0.1:9/aws/{region}"),
            "azure": ("openai-chat", "http://127.0.0.1:9/azure/v1"),
            "groq": ("openai-chat", "http://127.0.0.1:9/groq/v1"),
        }
        assert demo.state.places["aws/claude-sonnet-4-5-eu-north-1"] == Place(
            "aws", "eu-north-1.claude", "eu-north-1"
        )

    def test_a_credential_makes_a_provider_real(self) -> None:
        """A usual credential is used, unless more than a key is needed."""
        demo = scenario(
            self.catalog(),
            simulator_port=9,
            key="k",
            admin_key="a",
            environ={
                "ANTHROPIC_API_KEY": "sk-real",
                "AWS_ACCESS_KEY_ID": "AKIA",
                "ELSEWHERE_API_KEY": "e",
                "AZURE_API_KEY": "a key, and no resource to use it for",
            },
        )
        written = yaml.safe_load(demo.configuration)

        assert (demo.simulated, demo.real) == (
            ("aws", "azure", "groq"),
            ("anthropic", "elsewhere"),
        )
        assert written["providers"]["anthropic"] == {
            "credential": {"env": "ANTHROPIC_API_KEY"}
        }
        assert "sk-real" not in demo.configuration

    def test_the_shipped_catalog_carries_the_demo(self) -> None:
        """Each model of the demo has several homes, and one in the EU to fall to."""
        catalog = load_shipped()
        demo = scenario(catalog, simulator_port=9, key="k", admin_key="a", environ={})
        loaded = config_file.parse(
            demo.configuration,
            Path("demo.yaml"),
            known_providers=catalog.providers,
            environ={},
        )
        homes = {
            model: [
                deployment
                for deployment in catalog.models[model].deployments
                if deployment.id in demo.state.places
            ]
            for model in MODELS
        }

        assert loaded.warnings == ()
        assert "aws/claude-sonnet-4-5-eu" in demo.state.places
        for model, deployments in homes.items():
            assert len({each.provider_id for each in deployments}) >= 2, model
            assert any(each.geography == "eu" for each in deployments), model

    def test_no_two_deployments_are_the_same_to_the_simulator(self) -> None:
        """Telling one deployment to fail leaves every other as it is."""
        demo = scenario(
            load_shipped(), simulator_port=9, key="k", admin_key="a", environ={}
        )

        assert len(set(demo.state.places.values())) == len(demo.state.places)
