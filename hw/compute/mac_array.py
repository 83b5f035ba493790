"""The array of p x n dot products."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Const, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..config import EngineConfig
from ..control.delay import copies, delay
from .binary_weight_dot import BinaryWeightDot
from .dot_product import DotProduct
from .int4_dot import Int4Dot
from .paired_dot import PairedDot, PairTerm
from .ternary_dot import TernaryDot
from .ternary_weight_dot import TernaryWeightDot
from .xnor_popcount import XnorPopcount

__all__ = ["MacArray"]


_DOTS = {
    "int4xint4": Int4Dot,
    "ternaryxternary": TernaryDot,
    "binaryxbinary": XnorPopcount,
    "int8xternary": TernaryWeightDot,
    "int8xbinary": BinaryWeightDot,
}
_LEVELS = {"int4xint4": 4, "ternaryxternary": 3, "binaryxbinary": 3, "int8xternary": 3, "int8xbinary": 2}
"""The most stages of a dot product, besides those for m bytes; the cycle model must know them without building it."""


class MacArray(wiring.Component):
    """``sums[i * n + j] = dot(windows[i], weights[j])`` for p windows and n weight rows of m bytes.

    ``product`` says how the bytes are read (:class:`Product`): as m int8 values, or as more values of fewer bits. Those of
    ``config.paired_products`` share one :class:`PairedDot`, and a :class:`PairTerm` for each pixel; their sums are its totals.

    Source: the p x m x n MAC array of the draft paper on an accelerator with a resistive-RAM weight buffer (section 3):
    each clock does (p x m) times (m x n).

    Parameters
    ----------
    config : EngineConfig
        ``p``, ``m``, ``n``, ``products``, ``multiplier_latency``, ``logic_dots``.

    Members
    -------
    product : In(range(len(products)))
        Number of the dot product in ``config.products``; stable while sums are under way.
    windows : In(8 * m).array(p)
        One word a pixel; in int8 byte k is activation k, two's complement.
    weights : In(8 * m).array(n)
        One row a lane.
    sums : Out(signed(config.sum_width)).array(p * n)

    **Timing.** The latency (attribute ``latency``) is that of the slowest of the products, and 1 more with several kinds
    of dot products; a set of sums every cycle.

    **Reset.** Registers are not reset.
    """

    product: Signal
    windows: Any
    weights: Any
    sums: Any

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.latency = self.latency_of(config)
        super().__init__(
            {
                "product": In(range(len(config.products))),
                "windows": In(config.word_width).array(config.p),
                "weights": In(config.word_width).array(config.n),
                "sums": Out(signed(config.sum_width)).array(config.p * config.n),
            }
        )

    @staticmethod
    def latency_of(config: EngineConfig) -> int:
        """Latency in cycles without building the array."""
        return max(_latency(name, config) for name in config.products) + _selects(config)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        slowest = max(_latency(name, config) for name in config.products)
        # One copy a pixel: the selection is n sums wide in each.
        selected = copies(m, self.product, config.p if _selects(config) else 0, "product")
        paired = self._paired(m) if config.paired_products else []
        for pixel in range(config.p):
            for lane in range(config.n):
                totals = []
                for number, name in enumerate(config.products):
                    place = f"{pixel}_{lane}" if number == 0 else f"{pixel}_{lane}_{name}"
                    total: Value
                    if name == "int8xint8":
                        total = self._multiplied(m, pixel, lane, place)
                    elif name in config.paired_products:
                        total = paired[pixel * config.n + lane]
                    else:
                        dot: Any = _DOTS[name](config.m)
                        m.submodules[f"dot_{place}"] = dot
                        m.d.comb += [
                            dot.activations.eq(self.windows[pixel]),
                            dot.weights.eq(self.weights[lane]),
                        ]
                        # A dot product is often a stage shorter than its bound.
                        early = _latency(name, config) - dot.latency
                        if early < 0:
                            raise ValueError(f"{name} of {config.m} bytes takes {dot.latency} cycles, {-early} more than stated")
                        total = delay(m, dot.total, early, f"short_{place}")[-1]
                    totals.append(delay(m, total, slowest - _latency(name, config), f"total_{place}")[-1])
                sums = self.sums[pixel * config.n + lane]
                if _selects(config):
                    chosen = Signal(sums.shape(), name=f"sum_{pixel}_{lane}", reset_less=True)
                    m.d.sync += chosen.eq(Array(totals)[selected[pixel]])
                    m.d.comb += sums.eq(chosen)
                else:
                    m.d.comb += sums.eq(totals[0])
        return m

    def _paired(self, m: Module) -> list[Value]:
        """The totals of the paired products of all pixels and lanes."""
        config = self.config
        spreading = "int8xbinary" in config.paired_products
        # One copy a dot product, which has it in all of its adders.
        spread = self.product == config.products.index("int8xbinary") if spreading else Const(0, 1)
        spreads = copies(m, spread, config.p * (config.n + 1) if spreading else 0, "spread")
        totals: list[Value] = []
        for pixel in range(config.p):
            m.submodules[f"term_{pixel}"] = term = PairTerm(config.m, spreading=spreading)
            m.d.comb += term.activations.eq(self.windows[pixel])
            if spreading:
                m.d.comb += term.spread.eq(spreads.pop())
            wait = PairedDot.latency_of(config.m, spreading=spreading) - 1 - term.latency
            common = delay(m, term.total, wait, f"common_{pixel}")[-1]
            for lane in range(config.n):
                m.submodules[f"paired_{pixel}_{lane}"] = dot = PairedDot(config.m, spreading=spreading)
                m.d.comb += [
                    dot.activations.eq(self.windows[pixel]),
                    dot.weights.eq(self.weights[lane]),
                    dot.common.eq(common),
                ]
                if spreading:
                    m.d.comb += dot.spread.eq(spreads.pop())
                totals.append(dot.total)
        return totals

    def _multiplied(self, m: Module, pixel: int, lane: int, place: str) -> Value:
        """The sum of int8 products."""
        config = self.config
        in_logic = lane * config.p + pixel >= config.p * config.n - config.logic_dots
        dot = DotProduct(config.m, config.multiplier_latency, "logic" if in_logic else "dsp")
        m.submodules[f"dot_{place}"] = dot
        for k in range(config.m):
            m.d.comb += [
                dot.activations[k].eq(self.windows[pixel].word_select(k, 8)),
                dot.weights[k].eq(self.weights[lane].word_select(k, 8)),
            ]
        return dot.total


def _latency(name: str, config: EngineConfig) -> int:
    """Latency of one of the dot products, for those without multipliers a bound for all m of a size."""
    if name == "int8xint8":
        return config.multiplier_latency + ceil_log2(config.m)
    if name in config.paired_products:
        return PairedDot.latency_of(config.m, spreading="int8xbinary" in config.paired_products)
    return _LEVELS[name] + ceil_log2(config.m)


def _selects(config: EngineConfig) -> bool:
    """Whether several kinds of dot products stand side by side, all paired products being one."""
    return len(config.products) > max(1, len(config.paired_products))
