"""Bench of ``FeatureBuffer``: random reads of p neighbours beside random byte writes; when a write is seen."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from ..golden.feature_buffer import FeatureBufferModel
from .pipeline import measured_latency, run_pipeline
from .unit import Unit, run_units
from .word_bytes import from_word, random_bytes, to_word


@cocotb.test()
@cocotb.parametrize(writing=[0.2, 1.0])
async def reads_and_writes(dut: Any, writing: float) -> None:
    """The address of cycle t reads what was written up to cycle t; a word written in cycle t + 1 is undefined in it."""

    async def body(unit: Unit) -> None:
        p, m, depth = unit.told["p"], unit.told["m"], unit.told["depth"]
        chance = unit.chance
        model = FeatureBufferModel(p, m, depth)
        stimulus: list[dict[str, Any]] = []
        for address in range(depth):
            for bank in range(p):
                stimulus.append(
                    {"write_address": address, "write_bank": bank, "write_enable": (1 << m) - 1,
                     "write_data": to_word(random_bytes(chance, m))}
                )  # fmt: skip
        first = len(stimulus)
        for _ in range(400):
            near = chance.randrange(depth)
            stimulus.append(
                {"address": chance.choice([near, chance.randrange(depth)]), "bank": chance.randrange(p),
                 "write_address": near, "write_bank": chance.randrange(p),
                 "write_data": to_word(random_bytes(chance, m)),
                 "write_enable": chance.choice([1, (1 << m) - 1, chance.getrandbits(m)]) * (chance.random() < writing)}
            )  # fmt: skip
        stimulus.append({"write_enable": 0})
        expected: list[Any] = []
        for cycle, (entry, following) in enumerate(zip(stimulus, [*stimulus[1:], {}], strict=True)):
            if entry.get("write_enable"):
                data = np.array(from_word(entry["write_data"], m), np.int8)
                model.write(entry["write_address"], entry["write_bank"], data, entry["write_enable"])
            if not first <= cycle < first + 400:
                expected.append(None)
                continue
            words: list[int | None] = [None] * p
            for bank, word in model.read(entry["address"], entry["bank"]).items():
                at = entry["address"] + (bank < entry["bank"])
                hit = following.get("write_enable") and (at, bank) == (
                    following["write_address"], following["write_bank"]
                )  # fmt: skip
                words[bank] = None if hit else to_word(word)
            expected.append(words)
        observed = await run_pipeline(unit, stimulus, lambda: unit.list("words"))
        assert measured_latency(expected, observed) == unit.told["latency"]

    await run_units(dut, body)
