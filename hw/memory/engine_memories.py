"""The memories of an engine, as what they are made of: for those who test them all."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import EngineConfig
from ..control.descriptor import tap_layout
from ..primitives.target import Family
from .weight_buffer import WeightBuffer

__all__ = ["MemoryShape", "engine_memories"]


@dataclass(frozen=True, kw_only=True)
class MemoryShape:
    """One memory.

    Attributes
    ----------
    name : str
        For people.
    kind : "block", "spram" or "distributed"
        :class:`~macaw.hw.primitives.block_ram.BlockRam`, :class:`~macaw.hw.primitives.single_port_ram.SinglePortRam` or
        :class:`~macaw.hw.primitives.distributed_ram.DistributedRam`.
    width, depth : int
        Bits of a word, words.
    granularity : int
        Bits that share a write enable.
    """

    name: str
    kind: str
    width: int
    depth: int
    granularity: int

    @property
    def segments(self) -> int:
        """32-bit parts of a word; the last may be shorter."""
        return -(-self.width // 32)

    @property
    def granules(self) -> int:
        """Write enables."""
        return -(-self.width // self.granularity)


def engine_memories(config: EngineConfig, family: Family) -> list[MemoryShape]:
    """Every memory of an engine on a family: the same primitives of the same sizes. An iCE40 has no distributed RAM."""
    shapes = [
        MemoryShape(
            name=f"feature buffer, bank {bank}", kind="block", width=config.word_width, depth=config.feature_depth,
            granularity=8,
        )
        for bank in range(config.p)
    ]  # fmt: skip
    if config.weight_memory == "spram":
        width = 32 * config.weight_segments
        shapes.append(
            MemoryShape(name="weight buffer", kind="spram", width=width, depth=config.weight_depth, granularity=16)
        )
    else:
        shapes += [
            MemoryShape(
                name=f"weight buffer, bank {bank}", kind="block", width=32 * size, depth=config.weight_depth, granularity=32
            )
            for bank, size in enumerate(WeightBuffer.banks_of(config))
        ]
    tap_width = -(-tap_layout(config).size // 32) * 32
    if config.taps_in_program:
        shapes.append(
            MemoryShape(name="program and taps", kind="block", width=tap_width, depth=config.shared_depth, granularity=32)
        )
    else:
        shapes.append(MemoryShape(name="program", kind="block", width=32, depth=config.program_depth, granularity=32))
        shapes.append(MemoryShape(name="taps", kind="block", width=tap_width, depth=config.tap_depth, granularity=32))
    if config.depth > 1 and family not in (Family.ICE40, Family.ICE40UP):
        width = config.accumulator_width * config.p * config.n
        shapes += [
            MemoryShape(name=f"accumulation buffer, {half}", kind="distributed", width=width, depth=config.depth, granularity=width)
            for half in ("accumulating half", "draining half")
        ]
    return shapes
