"""Bench of ``WeightBuffer``: host writes in segments, fetches in a row and with pauses; what stays without a fetch."""

from __future__ import annotations

from typing import Any

import cocotb

from ..golden.weight_buffer import WeightBufferModel
from .pipeline import measured_latency, run_pipeline
from .unit import Unit, run_units


@cocotb.test()
@cocotb.parametrize(fetching=[1.0, 0.5, 0.1])
async def fetches(dut: Any, fetching: float) -> None:
    """A fetched word stays until the next fetch; in single-port memory a write makes it undefined."""

    async def body(unit: Unit) -> None:
        n, m, depth = unit.told["n"], unit.told["m"], unit.told["depth"]
        chance = unit.chance
        model = WeightBufferModel(n, m, depth)
        stimulus: list[dict[str, Any]] = []
        expected: list[Any] = []
        shown: list[int] | None = None
        writes = [(address, 1 << segment) for address in range(depth) for segment in range(model.segments)]
        chance.shuffle(writes)
        for cycle in range(len(writes) + 300):
            loading = cycle < len(writes)
            fetch = not loading and chance.random() < fetching
            address, enable = (
                writes[cycle] if loading else (chance.randrange(depth), chance.getrandbits(model.segments))
            )
            enable *= not fetch and (loading or chance.random() < 0.3)
            entry = {
                "fetch": int(fetch), "address": chance.randrange(depth), "write_address": address,
                "write_enable": enable, "write_data": chance.getrandbits(32),
            }  # fmt: skip
            stimulus.append(entry)
            if fetch:
                rows = model.read(entry["address"])
                shown = [int.from_bytes(row.tobytes(), "little") for row in rows]
            elif enable:
                model.write(address, entry["write_data"], enable)
                if unit.told["single"]:
                    shown = None
            expected.append(shown)
        stimulus.append({"fetch": 0, "write_enable": 0})
        observed = await run_pipeline(unit, stimulus, lambda: unit.list("rows"))
        assert measured_latency(expected, observed) == unit.told["latency"]

    await run_units(dut, body)
