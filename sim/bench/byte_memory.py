"""A memory behind a slave of cocotbext-axi."""

from __future__ import annotations

__all__ = ["ByteMemory"]


class ByteMemory:
    """``size`` bytes from the address ``base`` on; an access elsewhere is an error of the slave.

    Attributes
    ----------
    bytes : bytearray
    """

    def __init__(self, base: int, size: int) -> None:
        self.base = base
        self.bytes = bytearray(size)

    def _place(self, address: int) -> int:
        place = address - self.base
        if not 0 <= place < len(self.bytes):
            raise ValueError("nothing is there")
        return place

    async def read(self, address: int, length: int) -> bytes:
        """For AxiSlave."""
        place = self._place(address)
        return bytes(self.bytes[place : place + length])

    async def write(self, address: int, data: bytes) -> None:
        """For AxiSlave."""
        place = self._place(address)
        self.bytes[place : place + len(data)] = data
