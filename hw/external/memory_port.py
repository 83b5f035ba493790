"""The port to an external memory: bursts of 32-bit words."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

__all__ = ["ADDRESS_BITS", "COMMAND", "MOST_WORDS", "MemoryPort"]

ADDRESS_BITS = 24
"""Bits of the address of a 32-bit word: up to 64 MiB."""

MOST_WORDS = 64
"""Words of a burst; no burst crosses an address that is a multiple of this."""

COMMAND = data.StructLayout({"address": unsigned(ADDRESS_BITS), "words_last": range(MOST_WORDS), "write": 1})
"""One burst: its first word, its words minus one, and its direction."""


class MemoryPort(Signature):
    """Members of the side that asks.

    ``command`` : Out(stream of COMMAND)
        Bursts are done in the order in which they were taken.
    ``write`` : Out(stream of 32 bits)
        Words of the bursts that write.
    ``read`` : In(stream of 32 bits)
        Words of the bursts that read; ``ready`` must always be 1: they cannot be made to wait.
    ``restart`` : Out(1)
        One cycle, while no burst is under way: from here on, the memory's cycles depend on the commands only.
    ``ready`` : In(1)
        The memory is initialized and will take a command soon.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "command": Out(stream.Signature(COMMAND)),
                "write": Out(stream.Signature(32)),
                "read": In(stream.Signature(32)),
                "restart": Out(1),
                "ready": In(1),
            }
        )
