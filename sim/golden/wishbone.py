"""Golden model of the Wishbone slave: what each phase asks of the core, and how it ends."""

from __future__ import annotations

from .axi_lite import core_word
from .frame_bridge import Core

__all__ = ["WishboneModel"]


class WishboneModel:
    """One phase after the other, on ``core``; addresses count words."""

    def __init__(self, core: Core, offset_bits: int) -> None:
        self.core = core
        self.offset_bits = offset_bits

    def read(self, address: int) -> tuple[bool, int]:
        """Whether ``err`` ends it, and ``dat_r``."""
        status, word = self.core.read(core_word(address, self.offset_bits))
        return status != 0, word if status == 0 else 0

    def write(self, address: int, data: int, select: int) -> bool:
        """Whether ``err`` ends it."""
        if select != 15:
            return select != 0
        return self.core.write(core_word(address, self.offset_bits), data) != 0
