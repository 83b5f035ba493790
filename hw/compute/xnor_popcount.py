"""The binary dot product: XNOR and population count."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .compression import Term, compress
from .compressor_tree import CompressorTree

__all__ = ["XnorPopcount"]

_DIFFERENT = Term(0, (0, 1, 1, 0), -1)


class XnorPopcount(wiring.Component):
    """``total`` = how many of the ``8 * m`` bits of ``activations`` and ``weights`` are equal.

    With bit b for the value 2b - 1 (format ``binary``) the dot product is ``2 * total - 8 * m``. Differing bits are counted,
    because a carry cell can hold the XOR of two pairs but not the XNOR, and subtracted from 8 * m in the last adder.

    Source: XNOR, popcount and threshold as the neuron of binarized networks (BNN, XNOR-Net, FINN).

    Parameters
    ----------
    m : int, >= 1
        Bytes of a word.

    Members
    -------
    activations, weights : In(8 * m)
    total : Out(signed(bits of 8 * m, + 1))
        0 to 8 * m.

    **Timing.** Latency ``latency`` cycles, that of its :class:`CompressorTree`; a total every cycle.

    **Reset.** Registers are not reset.
    """

    activations: Signal
    weights: Signal
    total: Signal

    def __init__(self, m: int) -> None:
        if m < 1:
            raise ValueError(f"A word has at least one byte, not {m}")
        count = 8 * m
        self.m = m
        self._sum = ((_DIFFERENT,) * count, count, count.bit_length())
        self.latency = compress(*self._sum).latency
        super().__init__({"activations": In(count), "weights": In(count), "total": Out(signed(count.bit_length() + 1))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.tree = tree = CompressorTree(*self._sum)
        pairs = zip(self.activations, self.weights, strict=True)
        m.d.comb += [tree.operands.eq(Cat(bit for pair in pairs for bit in pair)), self.total.eq(tree.total)]
        return m
