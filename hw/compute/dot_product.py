"""The integer dot product: the multiply-accumulate unit's inner part."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..control.delay import copies
from ..primitives.product_bank import ProductBank
from .adder_tree import AdderTree

__all__ = ["DotProduct"]


class DotProduct(wiring.Component):
    """``total = sum(activations[k] * weights[k] for k in range(m))``, exact, int8 operands.

    Source: the vector-inner-product processing element of the draft paper on an accelerator with a resistive-RAM weight
    buffer (section 3).

    Parameters
    ----------
    m : int, >= 1
        Products.
    multiplier_latency : int, 2 or 3
        2: the multipliers' own input and output registers. 3: also a register in front of them.
    style : "dsp" or "logic"
        What the products are made of (:class:`ProductBank`).

    Members
    -------
    activations, weights : In(signed(8)).array(m)
    total : Out(signed(16 + ceil_log2(m)))

    **Timing.** Latency ``multiplier_latency + ceil_log2(m)`` cycles (attribute ``latency``); a result every cycle.

    **Reset.** Registers are not reset.
    """

    activations: Any
    weights: Any
    total: Signal

    def __init__(self, m: int, multiplier_latency: int = 3, style: str = "dsp") -> None:
        if m < 1:
            raise ValueError(f"A dot product needs at least one product, not {m}")
        if multiplier_latency not in (2, 3):
            raise ValueError(f"A dot product's multipliers take 2 or 3 cycles, not {multiplier_latency}")
        self.m = m
        self.multiplier_latency = multiplier_latency
        self.style = style
        self.latency = multiplier_latency + ceil_log2(m)
        super().__init__(
            {
                "activations": In(signed(8)).array(m),
                "weights": In(signed(8)).array(m),
                "total": Out(signed(16 + ceil_log2(m))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.products = products = ProductBank(self.m, 2, self.style)
        m.submodules.tree = tree = AdderTree(self.m, 16)
        activations, weights = list(self.activations), list(self.weights)
        if self.multiplier_latency == 3:
            # Registers of its own, although its neighbours have the same operands: they halve the way across the device.
            activations = [copies(m, operand, 1, f"activation_{k}")[0] for k, operand in enumerate(activations)]
            weights = [copies(m, operand, 1, f"weight_{k}")[0] for k, operand in enumerate(weights)]
        for lane in range(self.m):
            m.d.comb += [
                products.a[lane].eq(activations[lane]),
                products.b[lane].eq(weights[lane]),
                tree.terms[lane].eq(products.product[lane]),
            ]
        m.d.comb += self.total.eq(tree.total)
        return m
