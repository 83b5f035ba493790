"""Large single-port RAM with a registered output, not initialised."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, ClockSignal, Const, Instance, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..errors import UserError
from .block_ram import BlockRam
from .target import Family, family_of

__all__ = ["SinglePortRam"]

_SEGMENT = 16
_TILE_DEPTH = 16384


class SinglePortRam(wiring.Component):
    """A memory of ``depth`` words of ``width`` bits with one port that reads or writes.

    On an iCE40 UltraPlus it is made of SB_SPRAM256KA tiles of 16 Ki x 16 bits; elsewhere of a :class:`BlockRam`.

    Parameters
    ----------
    width : int, 1..4096
        Bits of a word; segments of 16 bits, the last one may be shorter.
    depth : int, 2..65536
        Words.

    Members
    -------
    address : In(ceil(log2(depth)))
    enable : In(1)
        An access happens: a write if any bit of ``write_enable`` is set, else a read.
    write_enable : In(segments)
        Bit i writes bits ``16 * i`` up to ``16 * i + 15``. Ignored while ``enable`` is low.
    write_data : In(width)
    read_data : Out(width)

    **Timing.** ``latency`` is 2: a read in cycle t shows its word in cycle t + 2. A cycle without access repeats the word
    of the cycle before. The word that a write shows in cycle t + 2 is undefined, and stays so until the next read.

    **Reset.** Contents are undefined at start and survive a reset; ``read_data`` is undefined until the first read.

    Raises
    ------
    UserError
        Width or depth out of range.
    """

    latency = 2
    """Cycles from ``address`` to ``read_data``."""

    address: Any
    enable: Any
    write_enable: Any
    write_data: Any
    read_data: Any

    def __init__(self, width: int, depth: int) -> None:
        if not 1 <= width <= 4096:
            raise UserError(f"A single-port RAM's width must be from 1 to 4096 bits, not {width}.")
        if not 2 <= depth <= 65536:
            raise UserError(f"A single-port RAM's depth must be from 2 to 65536 words, not {depth}.")
        self.width = width
        self.depth = depth
        super().__init__(
            {
                "address": In(ceil_log2(depth)),
                "enable": In(1),
                "write_enable": In(self.segments),
                "write_data": In(width),
                "read_data": Out(width),
            }
        )

    @property
    def segments(self) -> int:
        """Parts of a word with a write enable of their own."""
        return -(-self.width // _SEGMENT)

    def elaborate(self, platform: Any) -> Module:
        return self._ice40() if family_of(platform) is Family.ICE40UP else self._portable()

    def _portable(self) -> Module:
        m = Module()
        granularity = min(self.width, _SEGMENT)
        m.submodules.memory = memory = BlockRam(self.segments * granularity, self.depth, granularity)
        m.d.comb += [
            memory.write_address.eq(self.address),
            memory.read_address.eq(self.address),
            memory.write_data.eq(self.write_data),
            memory.write_enable.eq(Mux(self.enable, self.write_enable, 0)),
            memory.read_enable.eq(self.enable & ~self.write_enable.any()),
            self.read_data.eq(memory.read_data),
        ]
        return m

    def _ice40(self) -> Module:
        m = Module()
        rows = -(-self.depth // _TILE_DEPTH)
        words = []
        for row in range(rows):
            chosen = self.enable & (self.address[14:] == row) if rows > 1 else self.enable
            word = []
            for segment in range(self.segments):
                start = segment * _SEGMENT
                data = self.write_data[start : start + _SEGMENT]
                output = Signal(_SEGMENT, name=f"output_{row}_{segment}")
                m.submodules[f"tile_{row}_{segment}"] = Instance(
                    "SB_SPRAM256KA",
                    i_ADDRESS=Cat(self.address[:14], Const(0, 14 - len(self.address[:14]))),
                    i_DATAIN=Cat(data, Const(0, _SEGMENT - len(data))),
                    i_MASKWREN=Const(0b1111, 4), i_WREN=self.write_enable[segment], i_CHIPSELECT=chosen,
                    i_CLOCK=ClockSignal(), i_STANDBY=Const(0), i_SLEEP=Const(0), i_POWEROFF=Const(1),
                    o_DATAOUT=output,
                )  # fmt: skip
                word.append(output)
            words.append(Cat(word))
        if rows > 1:
            row = Signal(len(self.address) - 14, reset_less=True)
            m.d.sync += row.eq(Mux(self.enable, self.address[14:], row))
            value = Array(words)[row]
        else:
            value = words[0]
        register = Signal(self.width, reset_less=True)
        m.d.sync += register.eq(value)
        m.d.comb += self.read_data.eq(register)
        return m
