"""Bench of ``WindowSelector``: every start with every mask, a new window every cycle; the latencies of both outputs."""

from __future__ import annotations

from itertools import product
from typing import Any

import cocotb

from ..golden.window_selector import window_selector
from .pipeline import given_early, measured_latency, run_pipeline, with_idle
from .unit import Unit, run_units
from .word_bytes import random_bytes, to_word


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.3])
async def windows(dut: Any, idle: float) -> None:
    """Every bank and every mask, in random order.

    ``bank`` comes one cycle before the words, ``inside``, ``pad`` and ``keep`` come ``latency - 1`` cycles after them.
    """

    async def body(unit: Unit) -> None:
        p, m, latency = unit.told["p"], unit.told["m"], unit.told["latency"]
        chance = unit.chance
        cases = list(product(range(p), range(1 << p)))
        chance.shuffle(cases)
        entries: list[dict[str, Any]] = []
        for bank, inside in cases + cases[:50]:
            entries.append(
                {
                    "words": random_bytes(chance, p, m), "bank": bank, "inside": inside, "pad": chance.randrange(256),
                    "keep": chance.choice([(1 << m) - 1, chance.getrandbits(m)]) if unit.told["masking"] else (1 << m) - 1,
                }
            )  # fmt: skip
        entries = with_idle(unit, entries, idle)
        early = [{"words": list(map(to_word, entry["words"])), "bank": entry["bank"]} for entry in entries]
        names = ("inside", "pad", "keep") if unit.told["masking"] else ("inside", "pad")
        late = [{name: entry[name] for name in names} for entry in entries]
        shift = latency - 1
        stimulus = [a | b for a, b in zip(early + [{}] * shift, [{}] * shift + late, strict=True)]
        stimulus = given_early(stimulus, ("bank",), 1)
        observed = await run_pipeline(unit, stimulus, lambda: (unit.list("windows"), unit.peek("rotated")))
        observed = observed[1:]  # from the first words on
        expected, rotated = [], []
        for entry in entries:
            pad = entry["pad"] - 256 if entry["pad"] > 127 else entry["pad"]
            windows = window_selector(entry["words"], entry["bank"], entry["inside"], pad, entry["keep"])
            expected.append(list(map(to_word, windows)))
            rotated.append(to_word(entry["words"][entry["bank"]]))
        assert measured_latency(expected, [sample[0] for sample in observed]) == latency
        assert measured_latency(rotated, [sample[1] for sample in observed]) == latency - 1

    await run_units(dut, body)
