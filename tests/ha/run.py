"""Carrying out a scenario in a lab of its own."""

from contextlib import ExitStack
from pathlib import Path

from ha.faults import WELL
from ha.lab import Lab
from ha.scenarios import Scenario
from ha.verdict import Cost, cost


async def carry_out(scenario: Scenario, folder: Path) -> Cost:
    """Carry it out and return what it cost."""
    with ExitStack() as stack:
        setting = scenario.settle(folder, stack)
        async with Lab(folder, setting) as lab:
            async with lab.called():
                await lab.further(WELL)
                await scenario.harm(lab)
                await lab.further(WELL)
            addresses = {place.host.name: place.host.address for place in lab.places}
            return cost(
                lab.seen(),
                {addresses[name] for name in scenario.edges},
                {addresses[name] for name in scenario.executors},
            )
