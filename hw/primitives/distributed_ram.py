"""A small memory with an asynchronous read port."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .target import Family, family_of

__all__ = ["DistributedRam"]


class DistributedRam(wiring.Component):
    """``depth`` words of ``width`` bits, written in a clock cycle, read without one.

    On an ECP5 it is made of 16 x 4 RAMs, on an iCE40, which has none, of registers; elsewhere as synthesis chooses.

    Members
    -------
    write_address : In(ceil(log2(depth))), write_data : In(width), write_enable : In(1)
    read_address : In(ceil(log2(depth))), read_data : Out(width)

    **Timing.** ``read_data`` follows ``read_address`` at once. A write in cycle t is read from cycle t + 1 on.

    **Reset.** Contents start at 0 and are not reset.
    """

    write_address: Any
    write_data: Any
    write_enable: Any
    read_address: Any
    read_data: Any

    def __init__(self, width: int, depth: int) -> None:
        self.width = width
        self.depth = depth
        address = ceil_log2(depth)
        super().__init__(
            {
                "write_address": In(address),
                "write_data": In(width),
                "write_enable": In(1),
                "read_address": In(address),
                "read_data": Out(width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        style = {"ram_style": "distributed"} if family_of(platform) is Family.ECP5 else {}
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=[], attrs=style)
        read = memory.read_port(domain="comb")
        write = memory.write_port()
        m.d.comb += [
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            write.en.eq(self.write_enable),
        ]
        return m
