"""The array of p x n dot products."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from .dot_product import DotProduct

__all__ = ["MacArray"]


class MacArray(wiring.Component):
    """``sums[i * n + j] = dot(windows[i], weights[j])`` for p windows and n weight rows of m int8 values.

    Source: the p x m x n MAC array of the draft paper on an accelerator with a resistive-RAM weight buffer (section 3):
    each clock does (p x m) times (m x n).

    Parameters
    ----------
    config : EngineConfig
        ``p``, ``m``, ``n``, ``multiplier_latency``, ``logic_dots``.

    Members
    -------
    windows : In(8 * m).array(p)
        One word a pixel; byte k is activation k, two's complement.
    weights : In(8 * m).array(n)
        One row a lane.
    sums : Out(signed(config.sum_width)).array(p * n)

    **Timing.** Latency as :class:`DotProduct` (attribute ``latency``); a set of sums every cycle.

    **Reset.** Registers are not reset.
    """

    windows: Any
    weights: Any
    sums: Any

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.latency = self.latency_of(config)
        super().__init__(
            {
                "windows": In(config.word_width).array(config.p),
                "weights": In(config.word_width).array(config.n),
                "sums": Out(signed(config.sum_width)).array(config.p * config.n),
            }
        )

    @staticmethod
    def latency_of(config: EngineConfig) -> int:
        """Latency in cycles without building the array."""
        return config.multiplier_latency + config.sum_width - 16

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        for pixel in range(config.p):
            for lane in range(config.n):
                in_logic = lane * config.p + pixel >= config.p * config.n - config.logic_dots
                dot = DotProduct(config.m, config.multiplier_latency, "logic" if in_logic else "dsp")
                m.submodules[f"dot_{pixel}_{lane}"] = dot
                for k in range(config.m):
                    m.d.comb += [
                        dot.activations[k].eq(self.windows[pixel].word_select(k, 8)),
                        dot.weights[k].eq(self.weights[lane].word_select(k, 8)),
                    ]
                m.d.comb += self.sums[pixel * config.n + lane].eq(dot.total)
        return m
