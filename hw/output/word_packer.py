"""The word packer: n output bytes into the right places of one to a few feature words."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig

__all__ = ["WordPacker"]


class WordPacker(wiring.Component):
    """Lane k of an output group belongs into byte ``(offset + k) mod m`` of word ``(offset + k) div m``.

    Parameters
    ----------
    config : EngineConfig
        ``m``, ``n``, ``lane_pitch``, ``write_steps``.

    Members
    -------
    lanes : In(8).array(n)
    last_lane : In(range(n))
        Lanes 0 to ``last_lane`` are written.
    offset : In(range(m))
        Byte of lane 0 in word 0; a multiple of ``config.lane_pitch``.
    step : In(range(write_steps))
        Which of the words to show.
    word : Out(8 * m), mask : Out(m)
        The word's bytes and which of them are valid; masked bytes are undefined.

    **Timing.** Combinational.
    """

    lanes: Any
    last_lane: Signal
    offset: Signal
    step: Signal
    word: Signal
    mask: Signal

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "lanes": In(8).array(config.n),
                "last_lane": In(range(config.n)),
                "offset": In(range(config.m)),
                "step": In(range(config.write_steps)),
                "word": Out(config.word_width),
                "mask": Out(config.m),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        used = Signal(config.n)
        m.d.comb += used.eq((2 << self.last_lane) - 1)
        with m.Switch(self.step):
            for step in range(config.write_steps):
                with m.Case(step), m.Switch(self.offset):
                    for offset in range(0, config.m, config.lane_pitch):
                        with m.Case(offset):
                            for byte in range(config.m):
                                lane = step * config.m + byte - offset
                                # A byte that no lane can reach takes a lane that another offset puts there: fewer LUTs.
                                m.d.comb += self.word.word_select(byte, 8).eq(self.lanes[lane % config.n])
                                if 0 <= lane < config.n:
                                    m.d.comb += self.mask[byte].eq(used[lane])
        return m
