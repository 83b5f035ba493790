"""The feature buffer: p banks of words, read p neighbours at a time."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from ..primitives.block_ram import BlockRam

__all__ = ["FeatureBuffer"]


class FeatureBuffer(wiring.Component):
    """p banks of ``feature_depth`` words of m bytes: one read port for all banks, one write port for one bank.

    A read at (address, bank) fetches the p words that follow position ``address * p + bank`` in column order: banks below
    ``bank`` are read at ``address + 1``.

    Parameters
    ----------
    config : EngineConfig
        ``p``, ``m``, ``feature_depth``.

    Members
    -------
    address : In(feature_bits), bank : In(range(p))
        Start of the window.
    words : Out(8 * m).array(p)
        One word a bank, in bank order (the window selector rotates them).
    write_address : In(feature_bits), write_bank : In(range(p)), write_data : In(8 * m), write_enable : In(m)
        Byte enables; none set writes nothing.

    **Timing.** ``address`` in cycle t gives ``words`` in cycle t + 3 (address increment, RAM, output register); a read
    every cycle. It sees what was written up to cycle t; a word that is written in cycle t + 1 is undefined in it. A bank
    below ``bank`` has no word after the last address.

    **Reset.** Contents are not reset.
    """

    address: Signal
    bank: Signal
    words: Any
    write_address: Signal
    write_bank: Signal
    write_data: Signal
    write_enable: Signal

    latency = 3

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "address": In(config.feature_bits),
                "bank": In(range(config.p)),
                "words": Out(config.word_width).array(config.p),
                "write_address": In(config.feature_bits),
                "write_bank": In(range(config.p)),
                "write_data": In(config.word_width),
                "write_enable": In(config.m),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        for j in range(config.p):
            ram = BlockRam(config.word_width, config.feature_depth, 8)
            m.submodules[f"bank_{j}"] = ram
            address = Signal(config.feature_bits, name=f"address_{j}", reset_less=True)
            m.d.sync += address.eq(self.address + (j < self.bank))
            m.d.comb += [
                ram.read_address.eq(address),
                ram.read_enable.eq(1),
                self.words[j].eq(ram.read_data),
                ram.write_address.eq(self.write_address),
                ram.write_data.eq(self.write_data),
            ]
            with m.If(self.write_bank == j):
                m.d.comb += ram.write_enable.eq(self.write_enable)
        return m
