# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.memory.memory_tester and the list of an engine's memories."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil

from macaw.hw.config import EngineConfig
from macaw.hw.engine import Engine
from macaw.hw.errors import UserError
from macaw.hw.memory.engine_memories import MemoryShape, engine_memories
from macaw.hw.memory.march import BACKGROUNDS, PASSES
from macaw.hw.memory.memory_tester import MemoryTester, memory_list_identity
from macaw.hw.primitives.block_ram import BlockRam
from macaw.hw.primitives.distributed_ram import DistributedRam
from macaw.hw.primitives.single_port_ram import SinglePortRam
from macaw.hw.primitives.target import Family, Target
from macaw.sim.bench.faulty_memory import FaultyMemory
from macaw.sim.bench.gallery import run_gallery
from macaw.sim.golden.memory_tester import Fault, MemoryModel, memory_tester


def shape(width: int, depth: int, granularity: int | None = None, kind: str = "block") -> MemoryShape:
    return MemoryShape(name="memory", kind=kind, width=width, depth=depth, granularity=granularity or width)


def unit(shapes: list[MemoryShape], faults: list[Fault | None], *, registers: bool = True) -> tuple[MemoryTester, dict[str, Any]]:
    remaining = list(faults)
    tester = MemoryTester(shapes, make=lambda one: FaultyMemory(one, remaining.pop(0))) if registers else MemoryTester(shapes)
    told = {
        "shapes": [[one.width, one.depth, one.granularity] for one in shapes],
        "faults": [None if fault is None else asdict(fault) for fault in faults],
        "identity": memory_list_identity(shapes),
        "broken": any(faults),
    }
    return tester, told


WIDE = shape(40, 5, 8)
FAULTS = [
    Fault(kind="stuck", address=4, bit=39, value=1),
    Fault(kind="stuck", address=0, bit=0, value=0),
    Fault(kind="slow", address=2, bit=33, value=1),
    Fault(kind="alias", address=1, other=3),
    Fault(kind="alias", address=4, other=0),
    Fault(kind="dead", address=3),
    Fault(kind="enable", bit=4),
    Fault(kind="coupled", address=1, bit=7, value=1, other=2, other_bit=7),
    Fault(kind="coupled", address=3, bit=2, value=0, other=0, other_bit=31),
    Fault(kind="coupled", address=2, bit=5, value=1, other=2, other_bit=21),
    Fault(kind="coupled", address=2, bit=1, value=0, other=2, other_bit=33),
]  # fmt: skip


def test_faults_are_found(tmp_path: Path) -> None:
    """Behind a healthy memory; the first wrong word, the number of wrong words and the cycles are the golden model's."""
    small = shape(8, 2)
    units = [unit([small, *[WIDE] * len(faults)], [None, *faults]) for faults in (FAULTS[::2], FAULTS[1::2])]
    units.append(unit([small, shape(70, 3, 10)], [None, Fault(kind="stuck", address=2, bit=69, value=0)]))
    assert run_gallery("memory_tester", units, tmp_path, simulator="icarus") == 2


@pytest.mark.parametrize("simulator", ["icarus", pytest.param("verilator", marks=pytest.mark.slow)])
def test_healthy_primitives(tmp_path: Path, simulator: str) -> None:
    """The memories that engines are made of pass, in every kind and enable."""
    shapes = [shape(32, 7, 32), shape(24, 6, 8), shape(32, 5, 16, "spram"), shape(45, 4, kind="distributed")]
    units = [unit(shapes, [None] * len(shapes), registers=False)]
    assert run_gallery("memory_tester", units, tmp_path, simulator=simulator) == 2


@pytest.mark.slow
@pytest.mark.parametrize("family", [Family.ECP5, Family.ICE40UP])
def test_healthy_vendor_cells(tmp_path: Path, family: Family) -> None:
    shapes = [shape(40, 20, 8), shape(32, 6, 32)] + ([shape(32, 9, 16, "spram")] if family is Family.ICE40UP else [])
    assert run_gallery("memory_tester", [unit(shapes, [None] * len(shapes), registers=False)], tmp_path, family=family) == 2


def test_golden_model_finds_every_fault() -> None:
    """All stuck, slow, dead, aliased and tied places of a memory of two segments, and thousands of coupled pairs."""
    depth, width, granularity = 3, 40, 8

    def found(**fault: Any) -> bool:
        return memory_tester([MemoryModel(width, depth, granularity, Fault(**fault))]).failures > 0

    assert memory_tester([MemoryModel(width, depth, granularity)]).failures == 0
    for address in range(depth):
        assert found(kind="dead", address=address)
        assert all(found(kind="alias", address=address, other=other) for other in range(depth) if other != address)
        for bit in range(0, width, 3):
            for value in (0, 1):
                assert found(kind="stuck", address=address, bit=bit, value=value)
                assert found(kind="slow", address=address, bit=bit, value=value)
    assert all(found(kind="enable", bit=granule) for granule in range(width // granularity))
    chance = random.Random(1)
    for _ in range(150):
        pair = {
            "address": chance.randrange(depth), "bit": chance.randrange(32), "other": chance.randrange(depth),
            "other_bit": chance.randrange(32), "value": chance.randrange(2),
        }  # fmt: skip
        if (pair["address"], pair["bit"]) != (pair["other"], pair["other_bit"]):
            assert found(kind="coupled", **pair), pair
    # In two segments of a word, the same bit.
    for bit in range(8):
        assert found(kind="coupled", address=1, bit=bit, value=1, other=1, other_bit=32 + bit)
        assert found(kind="coupled", address=1, bit=bit, value=0, other=1, other_bit=32 + bit)


CONFIGS = {
    "block": EngineConfig(
        p=2, m=2, n=12, depth=4, feature_depth=64, weight_depth=32, program_depth=64, tap_depth=16, requantizer_digit=4,
        pooling=False,
    ),
    "spram": EngineConfig(
        p=1, m=4, n=2, depth=1, weight_memory="spram", feature_depth=20, weight_depth=300, program_depth=32, tap_depth=8,
        prefetch=False, taps_in_program=True,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "family"), [("block", Family.ECP5), ("spram", Family.ICE40UP)])
def test_list_of_memories(name: str, family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what the engine's elaboration instantiates; an iCE40 has registers in the place of distributed RAM."""
    made: list[tuple[str, int, int, int]] = []
    elaborate_block = BlockRam.elaborate

    class Inside(BlockRam):
        """What a single-port RAM is made of."""

        def elaborate(self, platform: Any) -> Any:
            return elaborate_block(self, platform)

    def note(kind: Any, what: str) -> None:
        original = kind.elaborate

        def elaborate(self: Any, platform: Any) -> Any:
            granularity = 16 if what == "spram" else getattr(self, "granularity", self.width)
            made.append((what, self.width, self.depth, granularity))
            return original(self, platform)

        monkeypatch.setattr(kind, "elaborate", elaborate)

    monkeypatch.setattr("macaw.hw.primitives.single_port_ram.BlockRam", Inside)
    note(BlockRam, "block")
    note(SinglePortRam, "spram")
    note(DistributedRam, "distributed")
    config = CONFIGS[name]
    rtlil.convert(Engine(config), platform=Target(family), emit_src=False)
    expected = [(one.kind, one.width, one.depth, one.granularity) for one in engine_memories(config, family)]
    registers = [item for item in made if item[0] == "distributed" and family is Family.ICE40UP]
    assert sorted(expected + registers) == sorted(made)
    assert len({one.name for one in engine_memories(config, family)}) == len(expected)


def test_passes() -> None:
    assert len(PASSES) == 6 * len(BACKGROUNDS) + 3
    assert {item.background for item in PASSES} == set(range(len(BACKGROUNDS)))


def test_identity() -> None:
    shapes = engine_memories(CONFIGS["block"], Family.ECP5)
    assert memory_list_identity(shapes) != memory_list_identity([replace(shapes[0], depth=63), *shapes[1:]])
    assert memory_list_identity(shapes) not in (0, CONFIGS["block"].identity)


def test_rules() -> None:
    with pytest.raises(UserError, match="tests 1 to 256 memories, not 0"):
        MemoryTester([])
    with pytest.raises(UserError, match=r"memories of 2 to 65536 words, not 1 \(memory\)"):
        MemoryTester([shape(8, 1)])
