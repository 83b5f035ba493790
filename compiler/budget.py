"""What the compiler may use of a device, and what follows from the device for every engine on it."""

from __future__ import annotations

from dataclasses import dataclass

from ..hw.primitives.target import Family
from ..sim.cost.external_memory import ExternalMemory

__all__ = ["Budget"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Cells that an engine may take, host link already deducted, and the device's engine traits.

    ``name`` is for messages. ``luts`` is compared with an estimate; leave room in it. ``choice_luts``: as many as an
    engine may take that the compiler chooses itself, where placing and routing more takes too long; it takes more if none fits
    in them. ``external``: the external memory that weights may be streamed from; None: all weights must fit on the chip.
    ``unused_memory``: what the board has of the kind without using it, for messages.
    """

    name: str
    family: Family
    luts: int
    choice_luts: int
    block_rams: int
    multipliers: int
    single_port_rams: int
    multiplier_latency: int
    requantizer_digit: int
    weight_memory: str
    external: ExternalMemory | None = None
    unused_memory: str = ""
