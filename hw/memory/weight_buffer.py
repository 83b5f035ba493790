"""The weight buffer: one word of n rows of m bytes a cycle, written by the host in 32-bit segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from ..control.delay import copies
from ..errors import UserError
from ..primitives.block_ram import BlockRam
from ..primitives.single_port_ram import SinglePortRam

__all__ = ["WeightBuffer"]

_BANK = 4
"""Segments of a bank."""


class WeightBuffer(wiring.Component):
    """``weight_depth`` words of ``n`` rows; row j of a word is bytes ``j * m`` to ``j * m + m - 1``.

    Parameters
    ----------
    config : EngineConfig
        ``m``, ``n``, ``weight_depth``, ``weight_memory``.
    init : sequence of int
        Words at configuration, from address 0 on; only with block RAM.

    Members
    -------
    address : In(weight_bits), fetch : In(1)
        Reads a word. Without ``fetch`` the last word stays; in SPRAM a write makes it undefined until the next one.
    rows : Out(8 * m).array(n)
    write_address : In(weight_bits), write_data : In(32), write_enable : In(weight_segments)
        Segment s of a word is its bits ``32 * s`` and up. Must not be used in a cycle with ``fetch``.

    **Timing.** ``address`` and ``fetch`` in cycle t give ``rows`` in cycle t + ``latency``; a word every cycle. ``latency`` is 2
    with SPRAM, 4 with block RAM: many blocks lie all over the device, so each bank of four segments has registers of its
    own for addresses and data, and its words pass one more register on their way to the multipliers. A write is done
    when a fetch of the next cycle reads it.

    **Reset.** Contents are not reset; in SPRAM they are undefined at power-up.
    """

    address: Signal
    fetch: Signal
    rows: Any
    write_address: Signal
    write_data: Signal
    write_enable: Signal

    def __init__(self, config: EngineConfig, *, init: Sequence[int] = ()) -> None:
        if init and config.weight_memory == "spram":
            raise UserError("Single-port RAM has no contents at configuration: load the weights.")
        self.config = config
        self.init = init
        self.latency = self.latency_of(config)
        super().__init__(
            {
                "address": In(config.weight_bits),
                "fetch": In(1),
                "rows": Out(config.word_width).array(config.n),
                "write_address": In(config.weight_bits),
                "write_data": In(32),
                "write_enable": In(config.weight_segments),
            }
        )

    @staticmethod
    def latency_of(config: EngineConfig) -> int:
        """Latency in cycles."""
        return 2 if config.weight_memory == "spram" else 4

    @staticmethod
    def banks_of(config: EngineConfig) -> list[int]:
        """32-bit segments of each block-RAM bank."""
        return [min(_BANK, config.weight_segments - first) for first in range(0, config.weight_segments, _BANK)]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        segments = config.weight_segments
        width = 32 * segments
        word = Signal(width)
        if config.weight_memory == "spram":
            m.submodules.ram = single = SinglePortRam(width, config.weight_depth)
            m.d.comb += [
                single.address.eq(Mux(self.fetch, self.address, self.write_address)),
                single.enable.eq(self.fetch | self.write_enable.any()),
                single.write_data.eq(self.write_data.replicate(segments)),
                word.eq(single.read_data),
            ]
            for s in range(segments):
                m.d.comb += single.write_enable[2 * s : 2 * s + 2].eq(self.write_enable[s].replicate(2))
        else:
            read = Signal(width)
            first = 0
            for number, size in enumerate(self.banks_of(config)):
                words = [word >> 32 * first & (1 << 32 * size) - 1 for word in self.init]
                ram = BlockRam(32 * size, config.weight_depth, 32, init=words)
                m.submodules[f"ram_{number}"] = ram
                enable = self.write_enable[first : first + size]
                m.d.comb += [
                    ram.read_address.eq(copies(m, self.address, 1, f"address_{number}")[0]),
                    ram.read_enable.eq(copies(m, self.fetch, 1, f"fetch_{number}", reset_less=False)[0]),
                    ram.write_address.eq(copies(m, self.write_address, 1, f"write_address_{number}")[0]),
                    ram.write_data.eq(copies(m, self.write_data, 1, f"write_data_{number}")[0].replicate(size)),
                    ram.write_enable.eq(copies(m, enable, 1, f"write_enable_{number}", reset_less=False)[0]),
                    read[32 * first : 32 * (first + size)].eq(ram.read_data),
                ]
                first += size
            bridge = Signal(width, reset_less=True)
            m.d.sync += bridge.eq(read)
            m.d.comb += word.eq(bridge)
        for j in range(config.n):
            m.d.comb += self.rows[j].eq(word.word_select(j, config.word_width))
        return m
