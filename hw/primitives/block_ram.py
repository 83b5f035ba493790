"""Block RAM with one write port, one read port and a registered output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amaranth.hdl import Array, Cat, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..errors import UserError
from .dp16kd import DP16KD_MODES, dp16kd
from .sb_ram40 import SB_RAM40_MODES, sb_ram40
from .target import Family, family_of
from .tiling import tiling

__all__ = ["BlockRam"]


class BlockRam(wiring.Component):
    """A memory of ``depth`` words of ``width`` bits in block RAM, with its output register.

    On an ECP5 it is made of DP16KD tiles whose own output registers are used, on an iCE40 of SB_RAM40_4K tiles with
    registers behind them, in the tiling with the fewest blocks; elsewhere it is a ``lib.memory.Memory`` marked for block
    RAM with a register behind it.

    Parameters
    ----------
    width : int, 1..4096
        Bits of a word.
    depth : int, 2..65536
        Words.
    granularity : int
        Bits that share a write enable; divides the width. The whole width by default.
    init : sequence of int
        Words at configuration, from address 0 on; the others are 0.

    Members
    -------
    write_address : In(ceil(log2(depth)))
    write_data : In(width)
    write_enable : In(width / granularity)
        Bit i writes bits ``i * granularity`` up to ``(i + 1) * granularity - 1``.
    read_address : In(ceil(log2(depth)))
    read_enable : In(1)
    read_data : Out(width)

    **Timing.** ``latency`` is 2: address and enable in cycle t, ``read_data`` in cycle t + 2. A cycle with ``read_enable``
    low repeats the word before it (the memory stage rests, the output register follows it). A write in cycle t is read
    from cycle t + 1 on; reading an address in the cycle in which it is written gives an undefined word. So does an
    address of ``depth`` or more.

    **Reset.** Contents start at ``init`` and are not reset; ``read_data`` is undefined until the first read.

    Raises
    ------
    UserError
        Width, depth or granularity out of range, or more words than ``depth``.
    """

    latency = 2
    """Cycles from ``read_address`` to ``read_data``."""

    write_address: Any
    write_data: Any
    write_enable: Any
    read_address: Any
    read_enable: Any
    read_data: Any

    def __init__(
        self, width: int, depth: int, granularity: int | None = None, *, init: Sequence[int] = ()
    ) -> None:
        if not 1 <= width <= 4096:
            raise UserError(f"A block RAM's width must be from 1 to 4096 bits, not {width}.")
        if not 2 <= depth <= 65536:
            raise UserError(f"A block RAM's depth must be from 2 to 65536 words, not {depth}.")
        granularity = width if granularity is None else granularity
        if granularity < 1 or width % granularity:
            raise UserError(f"A block RAM's granularity must divide its width of {width} bits; {granularity} does not.")
        if len(init) > depth:
            raise UserError(f"{len(init)} words do not fit into a block RAM of {depth}.")
        self.width = width
        self.depth = depth
        self.granularity = granularity
        self.init = list(init)
        address = ceil_log2(depth)
        super().__init__(
            {
                "write_address": In(address),
                "write_data": In(width),
                "write_enable": In(width // granularity),
                "read_address": In(address),
                "read_enable": In(1),
                "read_data": Out(width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        family = family_of(platform)
        if family is Family.ECP5:
            return self._tiled(DP16KD_MODES, dp16kd, registered=True)
        if family in (Family.ICE40, Family.ICE40UP):
            return self._tiled(SB_RAM40_MODES, sb_ram40, registered=False)
        if family in (Family.GOWIN, Family.NEXUS):
            return self._inferred()
        if family is Family.INTEL and self.width > self.granularity:
            return self._columns()
        return self._portable()

    def _portable(self) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=self.init, attrs={"ram_style": "block"})
        write = memory.write_port(granularity=self.granularity)
        read = memory.read_port()
        output = Signal(self.width, reset_less=True)
        m.d.comb += [
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            write.en.eq(self.write_enable),
            read.addr.eq(self.read_address),
            read.en.eq(self.read_enable),
            self.read_data.eq(output),
        ]
        m.d.sync += output.eq(read.data)
        return m

    def _columns(self) -> Module:
        """A memory for each write enable: Quartus infers none with several from such Verilog."""
        m = Module()
        mask = (1 << self.granularity) - 1
        for index in range(self.width // self.granularity):
            words = [word >> index * self.granularity & mask for word in self.init]
            m.submodules[f"column_{index}"] = column = BlockRam(self.granularity, self.depth, init=words)
            m.d.comb += [
                column.write_address.eq(self.write_address),
                column.write_data.eq(self.write_data.word_select(index, self.granularity)),
                column.write_enable.eq(self.write_enable[index]),
                column.read_address.eq(self.read_address),
                column.read_enable.eq(self.read_enable),
                self.read_data.word_select(index, self.granularity).eq(column.read_data),
            ]
        return m

    def _inferred(self) -> Module:
        """The same for Yosys to infer: it takes the attribute, which spares the logic that defines what is read where it
        is being written, for a register behind an asynchronous port, not for a synchronous port."""
        m = Module()
        attributes = {"ram_style": "block", "no_rw_check": 1}
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=self.init, attrs=attributes)
        write = memory.write_port(granularity=self.granularity)
        read = memory.read_port(domain="comb")
        fetched = Signal(self.width, reset_less=True)
        output = Signal(self.width, reset_less=True)
        with m.If(self.read_enable):
            m.d.sync += fetched.eq(read.data)
        m.d.comb += [
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            write.en.eq(self.write_enable),
            read.addr.eq(self.read_address),
            self.read_data.eq(output),
        ]
        m.d.sync += output.eq(fetched)
        return m

    def _tiled(self, modes: Mapping[int, tuple[int, int]], tile: Callable[..., Instance], registered: bool) -> Module:
        """``registered`` tells whether the tile has the output register; else it is added behind the multiplexer."""
        m = Module()
        tiles = tiling(modes, self.width, self.depth, self.granularity)
        inner = ceil_log2(tiles.tile_depth)
        slots = [
            (granule, offset)
            for granule in range(self.width // self.granularity)
            for offset in range(0, self.granularity, tiles.slot_width)
        ]
        words = []
        for row in range(tiles.rows):
            output_word: list[Any] = []
            write_row = self.write_address[inner:] == row if tiles.rows > 1 else Const(1)
            for column in range(tiles.columns):
                chosen = slots[column * tiles.slots : (column + 1) * tiles.slots]
                data: list[Any] = []
                enable: list[Any] = []
                for granule, offset in chosen:
                    bits = min(tiles.slot_width, self.granularity - offset)
                    start = granule * self.granularity + offset
                    data += [self.write_data[start : start + bits], Const(0, tiles.slot_width - bits)]
                    enable.append(self.write_enable[granule])
                contents = [
                    sum(
                        (word >> granule * self.granularity + offset & (1 << min(tiles.slot_width, self.granularity - offset)) - 1)
                        << number * tiles.slot_width
                        for number, (granule, offset) in enumerate(chosen)
                    )
                    for word in self.init[row * tiles.tile_depth : (row + 1) * tiles.tile_depth]
                ]
                output = Signal(tiles.mode, name=f"output_{row}_{column}")
                m.submodules[f"tile_{row}_{column}"] = tile(
                    tiles.mode, write_address=self.write_address[:inner], write_data=Cat(data),
                    write_enable=Cat(enable), write_row=write_row, read_address=self.read_address[:inner],
                    read_enable=self.read_enable, read_data=output, contents=contents,
                )  # fmt: skip
                for number, (_, offset) in enumerate(chosen):
                    bits = min(tiles.slot_width, self.granularity - offset)
                    output_word.append(output[number * tiles.slot_width : number * tiles.slot_width + bits])
            words.append(Cat(output_word))
        value: Value = words[0]
        if tiles.rows > 1:
            row_bits = len(self.read_address) - inner
            fetched = Signal(row_bits, reset_less=True)
            m.d.sync += fetched.eq(Mux(self.read_enable, self.read_address[inner:], fetched))
            shown = fetched
            if registered:
                shown = Signal(row_bits, reset_less=True)
                m.d.sync += shown.eq(fetched)
            value = Array(words)[shown]
        if registered:
            m.d.comb += self.read_data.eq(value)
        else:
            register = Signal(self.width, reset_less=True)
            m.d.sync += register.eq(value)
            m.d.comb += self.read_data.eq(register)
        return m
