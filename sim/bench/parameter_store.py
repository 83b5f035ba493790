"""Bench of ``ParameterStore``: rows with and without pauses, exchanges later and beside the next group's first row."""

from __future__ import annotations

from typing import Any

import cocotb

from ..golden.parameter_store import ParameterStoreModel
from .pipeline import measured_latency, run_pipeline
from .unit import Unit, run_units


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.5])
async def exchanges(dut: Any, idle: float) -> None:
    """The parameters in use change with an exchange and with nothing else; a row in its cycle belongs to the next."""

    async def body(unit: Unit) -> None:
        told, chance = unit.told, unit.chance
        model = ParameterStoreModel(told["m"], told["rows"], unit.width("multiplier"), unit.width("offset"))
        stimulus: list[dict[str, int]] = []
        expected: list[Any] = []

        def cycle(load: int, exchange: int) -> None:
            row = chance.getrandbits(8 * told["m"])
            stimulus.append({"row": row, "load": load, "exchange": exchange})
            if exchange:
                model.exchange()
            if load:
                model.load(row)
            expected.append(None if model.in_use is None else list(model.in_use))

        due = 0
        for _ in range(40):
            for _ in range(told["rows"]):
                while chance.random() < idle:
                    cycle(0, due)
                    due = 0
                cycle(1, due)
                due = 0
            for _ in range(chance.choice([0, 0, 2])):
                cycle(0, 0)
            due = 1
        cycle(0, due)
        cycle(0, 0)
        names = ("multiplier", "offset", "shift_code")
        observed = await run_pipeline(unit, stimulus, lambda: [unit.peek(name) for name in names])
        assert measured_latency(expected, observed) == 1

    await run_units(dut, body)
