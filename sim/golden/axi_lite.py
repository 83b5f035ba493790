"""Golden model of the AXI4-Lite slave: what each access asks of the core, and how it is answered."""

from __future__ import annotations

from .frame_bridge import Core

__all__ = ["AxiLiteModel", "core_word"]

_OKAY, _SLVERR, _DECERR = 0, 2, 3
_ADDRESS = 1


def core_word(word: int, offset_bits: int) -> int:
    """The core's address of a word of a bus whose regions have ``2**offset_bits`` words."""
    region, offset = divmod(word, 1 << offset_bits)
    return region << 24 | offset


class AxiLiteModel:
    """One access after the other, on ``core``; addresses count bytes."""

    def __init__(self, core: Core, offset_bits: int) -> None:
        self.core = core
        self.offset_bits = offset_bits

    @staticmethod
    def _response(status: int) -> int:
        if status == 0:
            return _OKAY
        return _DECERR if status == _ADDRESS else _SLVERR

    def read(self, address: int) -> tuple[int, int]:
        """``rresp`` and ``rdata``."""
        if address % 4:
            return _SLVERR, 0
        status, word = self.core.read(core_word(address // 4, self.offset_bits))
        return self._response(status), word if status == 0 else 0

    def write(self, address: int, data: int, strobe: int) -> int:
        """``bresp``."""
        if address % 4 or strobe not in (0, 15):
            return _SLVERR
        if strobe == 0:
            return _OKAY
        return self._response(self.core.write(core_word(address // 4, self.offset_bits), data))
