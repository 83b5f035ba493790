"""Bench: the portable and the vendor form of primitives side by side, the same random stimulus, equal in every cycle.

The parameters describe the pairs: ``kind`` and ports, as made by ``tests/hw/primitives``. Pair number i has inputs
``i{i}_<port>`` and outputs ``p{i}_<port>`` (portable) and ``v{i}_<port>`` (vendor).
"""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge

from ..simulator import bench_parameters


def _bits(generator: random.Random, width: int) -> int:
    """Random bits with a liking for the extremes."""
    kind = generator.randrange(6)
    if kind == 0:
        return 0
    if kind == 1:
        return (1 << width) - 1
    if kind == 2:
        return 1 << (width - 1)
    return generator.getrandbits(width)


class _Stimulus:
    """Legal random inputs of one pair, and whether its outputs are defined."""

    def __init__(self, pair: dict[str, Any], generator: random.Random) -> None:
        self.pair = pair
        self.generator = generator
        self.defined = [False, False, False]
        self.low = 0

    def next(self) -> dict[str, int]:
        generator = self.generator
        widths: dict[str, int] = self.pair["inputs"]
        values = {name: _bits(generator, width) for name, width in widths.items()}
        kind = self.pair["kind"]
        known = self.defined[-1]
        if kind == "products":
            known = True
        else:
            # Few addresses, around a boundary of tiles, so that reads meet writes.
            depth = self.pair["depth"]
            if generator.random() < 0.02:
                self.low = generator.choice([0, depth - 8, *(b - 4 for b in (512, 2048, 16384) if b + 4 < depth)])
            for name in ("address", "read_address", "write_address"):
                if name in values:
                    near = self.low + generator.randrange(8)
                    values[name] = near if generator.random() < 0.9 else generator.randrange(depth)
            if kind == "block_ram":
                values["read_enable"] = int(generator.random() < 0.7)
                if values["read_enable"] and values["read_address"] == values["write_address"]:
                    values["write_enable"] = 0
                known = known or bool(values["read_enable"])
            else:
                values["enable"] = int(generator.random() < 0.7)
                if generator.random() < 0.6:
                    values["write_enable"] = 0
                if values["enable"]:
                    # The contents are not initialised: a word counts once every segment has been written.
                    written = self.pair.setdefault("written", {})
                    address = str(values["address"])
                    if values["write_enable"]:
                        written[address] = written.get(address, 0) | values["write_enable"]
                        known = False
                    else:
                        known = written.get(address, 0) == (1 << widths["write_enable"]) - 1
        self.defined.append(known)
        return values

    def check(self, latency: int) -> bool:
        """Whether the output shown in the cycle after the latest inputs' edge is defined."""
        return len(self.defined) > latency and self.defined[-latency]


@cocotb.test()
async def pairs_agree(dut: Any) -> None:
    parameters = bench_parameters()
    generator = random.Random(cocotb.RANDOM_SEED)
    cocotb.log.info("seed %d", cocotb.RANDOM_SEED)
    stimuli = [_Stimulus(pair, generator) for pair in parameters["pairs"]]
    checked = [0] * len(stimuli)
    distinct: list[set[int]] = [set() for _ in stimuli]
    dut.rst.value = 0
    for number, stimulus in enumerate(stimuli):
        for name in stimulus.pair["inputs"]:
            getattr(dut, f"i{number}_{name}").value = 0
    Clock(dut.clk, 10, unit="ns").start()
    await RisingEdge(dut.clk)
    for cycle in range(parameters["cycles"]):
        dut.rst.value = int(generator.random() < 0.01)
        for number, stimulus in enumerate(stimuli):
            for name, value in stimulus.next().items():
                getattr(dut, f"i{number}_{name}").value = value
        await RisingEdge(dut.clk)
        await ReadOnly()
        for number, stimulus in enumerate(stimuli):
            if not stimulus.check(stimulus.pair["latency"]):
                continue
            for name in stimulus.pair["outputs"]:
                portable = int(getattr(dut, f"p{number}_{name}").value)
                vendor = int(getattr(dut, f"v{number}_{name}").value)
                assert portable == vendor, (
                    f"cycle {cycle}, pair {number} ({stimulus.pair['title']}), {name}: "
                    f"portable {portable:#x}, vendor {vendor:#x}"
                )
                checked[number] += 1
                distinct[number].add(portable)
        await FallingEdge(dut.clk)
    for number, stimulus in enumerate(stimuli):
        assert checked[number] > parameters["cycles"] // 10, f"{stimulus.pair['title']}: too little was compared"
        # Of narrow words every value must have been seen.
        wanted = min(20, *(1 << width for width in stimulus.pair["outputs"].values()))
        assert len(distinct[number]) >= wanted, f"{stimulus.pair['title']}: the outputs hardly move"
