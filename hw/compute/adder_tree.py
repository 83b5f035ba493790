"""A balanced, pipelined tree of adders."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["AdderTree"]


class AdderTree(wiring.Component):
    """``total = sum(terms)``, exact.

    Parameters
    ----------
    count : int, >= 1
        Terms.
    width : int, >= 1
        Bits of a term, two's complement.

    Members
    -------
    terms : In(signed(width)).array(count)
    total : Out(signed(width + ceil_log2(count)))

    **Timing.** Latency ``ceil_log2(count)`` cycles, one register after each level of adders; a sum every cycle.

    **Reset.** Registers are not reset.
    """

    terms: Any
    total: Signal

    def __init__(self, count: int, width: int) -> None:
        if count < 1 or width < 1:
            raise ValueError(f"An adder tree needs at least one term of at least one bit, not {count} of {width}")
        self.count = count
        self.width = width
        self.latency = ceil_log2(count)
        super().__init__(
            {
                "terms": In(signed(width)).array(count),
                "total": Out(signed(width + self.latency)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        level: list[Any] = list(self.terms)
        width = self.width
        while len(level) > 1:
            width += 1
            following = []
            for index in range(0, len(level), 2):
                node = Signal(signed(width), name=f"sum_{width - self.width}_{index // 2}", reset_less=True)
                m.d.sync += node.eq(sum(level[index + 1 : index + 2], level[index]))
                following.append(node)
            level = following
        m.d.comb += self.total.eq(level[0])
        return m
