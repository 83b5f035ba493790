"""What the compiler may use of a device, and what follows from the device for every engine on it."""

from __future__ import annotations

from dataclasses import dataclass

from ..hw.primitives.target import Family

__all__ = ["Budget"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Cells that an engine may take, host link already deducted, and the device's engine traits.

    ``name`` is for messages. ``luts`` is compared with an estimate; leave room in it.
    """

    name: str
    family: Family
    luts: int
    block_rams: int
    multipliers: int
    single_port_rams: int
    multiplier_latency: int
    requantizer_digit: int
    weight_memory: str
