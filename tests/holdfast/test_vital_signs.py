"""What a process says of itself to those who watch over it."""

import asyncio
import time

import httpx
import pytest

from holdfast.vital_signs import VitalSigns, told


async def ask(port: int, path: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=20) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}")


async def test_it_is_ready_once_it_says_so_and_until_it_says_no_more():
    """In between alone it is given work."""
    signs = VitalSigns()
    with told(signs, "127.0.0.1", 0) as port:
        before = await ask(port, "/readyz")
        signs.is_ready = True
        meanwhile = await ask(port, "/readyz")
        signs.is_ready = False
        after = await ask(port, "/readyz")

    assert [each.status_code for each in (before, meanwhile, after)] == [503, 200, 503]


async def test_it_lives_also_while_it_is_not_ready():
    """One that drains is not to be killed for it."""
    with told(VitalSigns(), "127.0.0.1", 0) as port:
        answer = await ask(port, "/livez")

    assert answer.status_code == 200


async def test_one_whose_event_loop_hangs_does_not_live():
    """It would never recover by itself."""
    with told(VitalSigns(), "127.0.0.1", 0) as port:

        def ask_meanwhile() -> int:
            return httpx.get(f"http://127.0.0.1:{port}/livez", timeout=20).status_code

        asking = asyncio.get_running_loop().run_in_executor(None, ask_meanwhile)
        time.sleep(4)  # noqa: ASYNC251 - to hang is what is tested
        status = await asking

    assert status == 503


async def test_figures_are_at_the_same_port():
    """For Prometheus, which asks for no more than that."""
    with told(VitalSigns(), "127.0.0.1", 0) as port:
        answer = await ask(port, "/metrics")

    assert "python_info" in answer.text


async def test_an_address_that_is_taken_is_named():
    """To whoever started it."""
    with (
        told(VitalSigns(), "127.0.0.1", 0) as port,
        pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"),
        told(VitalSigns(), "127.0.0.1", port),
    ):
        pass


async def test_nothing_is_told_any_more_once_it_is_over():
    """The port is free again."""
    with told(VitalSigns(), "127.0.0.1", 0) as port:
        pass

    with pytest.raises(httpx.ConnectError):
        await ask(port, "/livez")
