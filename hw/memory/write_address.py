"""The write address generator: where each finished pixel belongs in the feature buffer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from ..control.descriptor import STRIDE_WIDTH, Operation, descriptor_layout

__all__ = ["WriteAddress"]


class WriteAddress(wiring.Component):
    """Follows the pixels of the output map and places them as :class:`MapLayout` says, re-phased for the next layer.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    layer : In(descriptor_layout(config))
    go : In(1)
        A layer starts: begin with its first pixel.
    valid, row_end, map_end : In(1)
        A finished pixel, at most one every so many cycles as its format's bytes can touch words; whether a row or the map of this output group
        ends with it.
    enable : Out(1), address : Out(feature_bits), bank : Out(range(p))
        A word to write.
    step : Out(range(write_steps)), offset : Out(range(m)), last_lane : Out(range(max(output_bytes)))
        Which of the pixel's words it is, and how the lanes lie in it (see WordPacker).

    **Timing.** ``enable`` follows ``valid`` in the same cycle and, where n lanes touch several words, in the
    ``write_steps - 1`` cycles after it, up to the next pixel: words that no byte of the format touches have an empty mask.

    **Reset.** No word to write.
    """

    layer: Any
    go: Signal
    valid: Signal
    row_end: Signal
    map_end: Signal
    enable: Signal
    address: Signal
    bank: Signal
    step: Signal
    offset: Signal
    last_lane: Signal

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "layer": In(descriptor_layout(config)),
                "go": In(1),
                "valid": In(1),
                "row_end": In(1),
                "map_end": In(1),
                "enable": Out(1),
                "address": Out(config.feature_bits),
                "bank": Out(range(config.p)),
                "step": Out(range(config.write_steps)),
                "offset": Out(range(config.m)),
                "last_lane": Out(range(max(config.output_bytes))),
            }
        )

    def _by_format(self, values: Iterable[int]) -> Any:
        """The one of the values, one for each output format, that the layer's output format selects."""
        choices = list(values)
        return choices[0] if len(choices) == 1 else Array(choices)[self.layer.output_format]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        layer = self.layer
        pooling = layer.operation == Operation.MAX_POOL

        group_base = Signal(config.feature_bits, reset_less=True)  # first row, first word of this output group
        line = Signal(config.feature_bits, reset_less=True)  # this row
        place = Signal(config.feature_bits, reset_less=True)  # this position, phase 0
        address = Signal(config.feature_bits, reset_less=True)  # this pixel
        bank = Signal(range(config.p), reset_less=True)
        phase = Signal(STRIDE_WIDTH, reset_less=True)
        offset = Signal(range(config.m), reset_less=True)
        groups_left = Signal(config.group_width, reset_less=True)

        wrapped = Signal(reset_less=True)  # the next group's channel 0 lies in another word
        wrapped_step = Signal(config.feature_bits, reset_less=True)
        following_offset = Signal(range(config.m))
        next_base = Signal(config.feature_bits)
        next_line = Signal(config.feature_bits)
        next_place = Signal(config.feature_bits)
        # By the format of the output map: what an output group advances beyond whole words, and its last byte.
        shift = self._by_format(size % config.m for size in config.output_bytes)
        full = self._by_format(size - 1 for size in config.output_bytes)
        m.d.comb += [
            next_base.eq(group_base + Mux(wrapped, wrapped_step, layer.output_group_step)),
            next_line.eq(Mux(self.map_end, next_base, line + layer.output_row_step)),
            next_place.eq(place + (bank == config.p - 1)),
        ]

        m.d.sync += wrapped_step.eq(layer.output_group_step + layer.output_word_step)
        with m.If(self.go):
            m.d.comb += following_offset.eq(layer.output_offset)
        with m.Else():
            m.d.comb += following_offset.eq(Mux(wrapped, offset + shift - config.m, offset + shift))
        with m.If(self.go | self.valid & self.map_end & ~pooling):
            m.d.sync += [
                offset.eq(following_offset),
                wrapped.eq(~pooling & (following_offset + shift >= config.m)),
            ]

        with m.If(self.valid):
            with m.If(self.row_end):
                m.d.sync += [line.eq(next_line), place.eq(next_line), address.eq(next_line), bank.eq(0), phase.eq(0)]
            with m.Elif(phase == layer.output_phases_last):
                m.d.sync += [
                    phase.eq(0),
                    place.eq(next_place),
                    address.eq(next_place),
                    bank.eq(Mux(bank == config.p - 1, 0, bank + 1)),
                ]
            with m.Else():
                m.d.sync += [phase.eq(phase + 1), address.eq(address + layer.output_phase_step)]
            with m.If(self.map_end):
                m.d.sync += [group_base.eq(next_base), groups_left.eq(groups_left - 1)]

        with m.If(self.go):
            m.d.sync += [
                group_base.eq(layer.output_first),
                line.eq(layer.output_first),
                place.eq(layer.output_first),
                address.eq(layer.output_first),
                bank.eq(0),
                phase.eq(0),
                groups_left.eq(layer.groups_last),
            ]

        if config.write_steps == 1:
            m.d.comb += [
                self.enable.eq(self.valid),
                self.address.eq(address),
                self.bank.eq(bank),
                self.offset.eq(offset),
                self.last_lane.eq(Mux(groups_left == 0, layer.last_lane, full)),
            ]
        else:
            # The first word in the pixel's own cycle, the others from registers.
            later = Signal(range(config.write_steps))
            held_address = Signal(config.feature_bits, reset_less=True)
            held_bank = Signal.like(bank)
            held_offset = Signal.like(offset)
            held_lane = Signal.like(self.last_lane)
            lane = Mux(groups_left == 0, layer.last_lane, full)
            with m.If(self.valid):
                m.d.comb += [
                    self.enable.eq(1),
                    self.address.eq(address),
                    self.bank.eq(bank),
                    self.offset.eq(offset),
                    self.last_lane.eq(lane),
                ]
                m.d.sync += [
                    later.eq(Mux(pooling, 0, 1)),
                    held_address.eq(address + layer.output_word_step),
                    held_bank.eq(bank),
                    held_offset.eq(offset),
                    held_lane.eq(lane),
                ]
            with m.Elif(later != 0):
                m.d.comb += [
                    self.enable.eq(1),
                    self.step.eq(later),
                    self.address.eq(held_address),
                    self.bank.eq(held_bank),
                    self.offset.eq(held_offset),
                    self.last_lane.eq(held_lane),
                ]
                m.d.sync += [
                    later.eq(Mux(later == config.write_steps - 1, 0, later + 1)),
                    held_address.eq(held_address + layer.output_word_step),
                ]
        return m
