"""The word packer: n output bytes into the right places of one to a few feature words."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from ..formats import FORMATS, INT8

__all__ = ["WordPacker"]


class WordPacker(wiring.Component):
    """Byte k of an output group belongs into byte ``(offset + k) mod m`` of word ``(offset + k) div m``.

    In a format of w bits, byte k of the group holds the low w bits of lanes ``8 * k // w`` and up; in int8 it is lane k.

    Parameters
    ----------
    config : EngineConfig
        ``m``, ``n``, ``lane_pitch``, ``write_steps``, ``output_formats``.

    Members
    -------
    lanes : In(8).array(n)
    format : In(range(len(output_formats)))
        Number of the format in ``config.output_formats``.
    last_lane : In(range(max(output_bytes)))
        Bytes 0 to ``last_lane`` of the group are written.
    offset : In(range(m))
        Byte of the group's first in word 0; a multiple of ``config.lane_pitch``.
    step : In(range(write_steps))
        Which of the words to show.
    word : Out(8 * m), mask : Out(m)
        The word's bytes and which of them are valid; masked bytes are undefined.

    **Timing.** Combinational.
    """

    lanes: Any
    format: Signal
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
                "format": In(range(len(config.output_formats))),
                "last_lane": In(range(max(config.output_bytes))),
                "offset": In(range(config.m)),
                "step": In(range(config.write_steps)),
                "word": Out(config.word_width),
                "mask": Out(config.m),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        count = max(config.output_bytes)
        group = self._group(m, count)
        used = Signal(count)
        m.d.comb += used.eq((2 << self.last_lane) - 1)
        with m.Switch(self.step):
            for step in range(config.write_steps):
                with m.Case(step), m.Switch(self.offset):
                    for offset in range(0, config.m, config.lane_pitch):
                        with m.Case(offset):
                            for byte in range(config.m):
                                lane = step * config.m + byte - offset
                                # A byte that no lane can reach takes a lane that another offset puts there: fewer LUTs.
                                m.d.comb += self.word.word_select(byte, 8).eq(group[lane % count])
                                if 0 <= lane < count:
                                    m.d.comb += self.mask[byte].eq(used[lane])
        return m

    def _group(self, m: Module, count: int) -> list[Any]:
        """The bytes of the output group."""
        formats = [FORMATS[name] for name in self.config.output_formats]
        if formats == [INT8]:
            return list(self.lanes)
        group = [Signal(8, name=f"byte_{k}") for k in range(count)]
        with m.Switch(self.format):
            for number, choice in enumerate(formats):
                with m.Case(number):
                    packed = Cat(lane[: choice.width] for lane in self.lanes)
                    for k, byte in enumerate(group):
                        # As above: a byte beyond the group is never written, any value will do.
                        m.d.comb += byte.eq(packed.word_select(k % (len(packed) // 8), 8))
        return group
