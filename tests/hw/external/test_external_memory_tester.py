# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.external.external_memory_tester, and of what predicts its cycles."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from macaw.hw.emit import verilog
from macaw.hw.errors import UserError
from macaw.hw.external.external_memory_tester import (
    EXTERNAL_BACKGROUNDS,
    EXTERNAL_PASSES,
    ExternalMemoryTester,
    ExternalShape,
)
from macaw.hw.external.memory_port import MOST_WORDS
from macaw.hw.external.sdram_timing import MT48LC16M16
from macaw.hw.memory.engine_memories import MemoryShape
from macaw.hw.memory.memory_tester import MemoryTester
from macaw.sim.bench.faulty_sdram import FaultySdramTester
from macaw.sim.bench.gallery import run_gallery
from macaw.sim.cost.external_memory import IdealMemory, Sdram
from macaw.sim.cost.memory_test import external_test_cycles
from macaw.sim.golden.external_memory_tester import background, external_memory_tester, wrong_words
from macaw.sim.golden.memory_tester import Fault, MemoryModel, memory_tester
from macaw.sim.sdram_model import sdram_model_verilog

SILENCE = 300

FAULTS = [
    Fault(kind="stuck", address=63, bit=31, value=1),
    Fault(kind="slow", address=0, bit=16, value=0),
    Fault(kind="lines", other=1, value=1),
    Fault(kind="pins", other=1 << 9, value=1),
    Fault(kind="alias", address=62, other=1),
    Fault(kind="coupled", address=5, bit=7, value=1, other=6, other_bit=7),
]  # fmt: skip
DISTANT = [Fault(kind="lines", other=64, value=0), Fault(kind="coupled", address=90, bit=2, value=0, other=15, other_bit=30)]


def unit(words: int, region: int, fault: Fault | None = None, slow: float = 0.0, silent: bool = False) -> tuple[ExternalMemoryTester, dict[str, Any]]:
    ideal = IdealMemory(words=words, latency=1, interval=1)
    told = {
        "words": words, "region": region, "fault": None if fault is None else asdict(fault), "slow": slow,
        "silence": SILENCE * silent, "ideal": external_test_cycles(ideal, words, region),
    }  # fmt: skip
    return ExternalMemoryTester(words, region=region, silence=SILENCE), told


@pytest.mark.parametrize("simulator", ["icarus", pytest.param("verilator", marks=pytest.mark.slow)])
def test_bench(tmp_path: Path, simulator: str) -> None:
    """Faults one by one; sizes that regions divide or not; waits. Cycles as predicted."""
    units = [unit(64, 64, fault) for fault in FAULTS] + [unit(128, 128, fault) for fault in DISTANT]
    units += [unit(64, 128, slow=0.4, silent=True), unit(192, 128)]
    assert run_gallery("external_memory_tester", units, tmp_path, simulator=simulator) == 2


def found(words: int, **fault: Any) -> bool:
    return next(wrong_words(MemoryModel(32, words, 32, Fault(**fault)), words), None) is not None


def test_golden_model_finds_every_fault() -> None:
    """Lines, shorts, stuck and slow bits, coupled pairs in different words and in one, wherever they are."""
    words = 2 * MOST_WORDS
    assert external_memory_tester(MemoryModel(32, words, 32), words).failures == 0
    for value in (0, 1):
        assert all(found(words, kind="lines", other=1 << bit, value=value) for bit in range(7))
        assert all(found(words, kind="pins", other=1 << bit, value=value) for bit in range(32))
    assert all(found(words, kind="short", bit=bit, other_bit=other) for bit in range(32) for other in range(bit))
    chance = random.Random(1)
    for number in range(60):
        pair = {
            "address": chance.randrange(words), "bit": chance.randrange(32), "other": chance.randrange(words),
            "other_bit": chance.randrange(32), "value": chance.randrange(2),
        }  # fmt: skip
        if number % 3 == 0:
            pair["other"] = pair["address"]
        if (pair["address"], pair["bit"]) != (pair["other"], pair["other_bit"]):
            assert found(words, kind="coupled", **pair), pair
        assert found(words, kind="stuck", address=pair["address"], bit=pair["bit"], value=pair["value"])
        assert found(words, kind="slow", address=pair["address"], bit=pair["bit"], value=pair["value"])
        if pair["other"] != pair["address"]:
            assert found(words, kind="alias", address=pair["address"], other=pair["other"])


def test_backgrounds() -> None:
    """Of each two bits of a word there is a background that sets them apart at every address; no two words of the last are alike."""
    numbers = range(len(EXTERNAL_BACKGROUNDS))
    for address in (0, 1, 0x123456):
        columns = [tuple(background(number, address) >> bit & 1 for number in numbers[:6]) for bit in range(32)]
        assert len(set(columns)) == 32
    assert len({background(6, address) for address in range(0, 1 << 24, 997)}) == len(range(0, 1 << 24, 997))
    assert len(EXTERNAL_PASSES) == 6 * len(EXTERNAL_BACKGROUNDS)


@pytest.mark.parametrize("tested", [0, 63, 100, 2048])
def test_rules(tested: int) -> None:
    with pytest.raises(UserError, match=f"a multiple of 64 words is tested, 1024 at most, not {tested} \\(chip\\)"):
        ExternalShape(name="chip", words=1024, tested=tested)


SMALL = replace(MT48LC16M16, row_bits=2, column_bits=7, t_power_up=10_000)
"""1024 words: 4 rows of 64 words in each of 4 banks."""


def test_sdram(tmp_path: Path) -> None:
    """Behind the controller: broken lines of row, column, bank and data, and cycles to the last one. One that is not there."""
    clock_hz, pin_delay = 75_000_000, 2
    cycles = SMALL.cycles(clock_hz)
    runs = [
        ({"a_low": 1 << 1}, {"kind": "lines", "other": 1 << 0 | 1 << 6 + 2 + 1}),  # of columns and of rows
        ({"ba_low": 2}, {"kind": "lines", "other": 1 << 6 + 1}),
        ({"dq_high": 1 << 11}, {"kind": "pins", "other": 1 << 11 | 1 << 27, "value": 1}),
    ]
    told = {"words": cycles.words, "runs": runs, "cycles": external_test_cycles(Sdram(cycles=cycles, pin_delay=pin_delay), cycles.words)}

    def form(component: Any, top: str) -> str:
        return verilog(component, name=top) + sdram_model_verilog()

    system = FaultySdramTester(SMALL, clock_hz, pin_delay)
    shape = MemoryShape(name="memory", kind="block", width=8, depth=2, granularity=8)
    silent = MemoryTester([shape], external=ExternalShape(name="none", words=64, tested=64))
    alone = {"cycles": memory_tester([MemoryModel(8, 2, 8)]).cycles}
    assert run_gallery("sdram_memory_test", [(system, told), (silent, alone)], tmp_path, form=form) == 2
