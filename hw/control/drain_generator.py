"""The drain generator: the order in which finished pixels leave the accumulation buffer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from ..output.output_stage import OutputStage
from .descriptor import Operation, descriptor_layout

__all__ = ["DrainGenerator", "drain_layout"]


def drain_layout(config: EngineConfig) -> data.StructLayout:
    """One finished pixel: its accumulation slot and number in the pixel group, and whether a row or the map ends with it."""
    return data.StructLayout(
        {
            "valid": 1,
            "slot": unsigned(config.slot_bits),
            "pixel": unsigned(config.bank_bits),
            "row_end": 1,
            "map_end": 1,
        }
    )


class DrainGenerator(wiring.Component):
    """Walks the pixels of the output map as the tiles finish; tails of rows are skipped.

    It runs in the sequencer's time: its events travel to the accumulation buffer with the latency of the array, so that
    it knows, and the sequencer can wait for, the cycle in which a slot will be free.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    layer : In(descriptor_layout(config))
    go : In(1)
        A layer starts; begin at the map's first pixel.
    start : In(1)
        A tile begins to finish; only while ``ready``.
    ready : Out(1), idle : Out(1)
    event : Out(drain_layout(config))

    **Timing.** The first event of a tile comes one cycle after ``start``; the next ones every ``config.pixel_interval`` cycles,
    and ``group_interval`` cycles after the last pixel of an output group; every cycle for max pooling.

    **Reset.** Idle.
    """

    layer: Any
    go: Signal
    start: Signal
    ready: Signal
    idle: Signal
    event: Any

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.group_interval = self.group_interval_of(config)
        super().__init__(
            {
                "layer": In(descriptor_layout(config)),
                "go": In(1),
                "start": In(1),
                "ready": Out(1),
                "idle": Out(1),
                "event": Out(drain_layout(config)),
            }
        )

    @staticmethod
    def group_interval_of(config: EngineConfig) -> int:
        """Cycles from the last pixel of an output group to the next group's first."""
        return max(config.pixel_interval, OutputStage.gap_of(config) + 1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        layer = self.layer
        pooling = layer.operation == Operation.MAX_POOL

        active = Signal()
        wait = Signal(range(max(self.group_interval, 2)))
        slot = Signal(config.slot_bits)
        pixel = Signal(config.bank_bits)
        groups_left = Signal(config.extent_width)
        rows_left = Signal(config.extent_width)

        row_last = groups_left == 0
        map_last = row_last & (rows_left == 0)
        pixel_last = pixel == Mux(row_last, layer.tail_last, config.p - 1)
        tile_last = Signal()
        emit = Signal()
        interval_last = Signal.like(wait)
        m.d.comb += [
            emit.eq(active & (wait == 0)),
            tile_last.eq(pixel_last & (pooling | (slot == config.depth - 1) | map_last)),
            interval_last.eq(
                Mux(pooling, 0, Mux(self.event.map_end, self.group_interval - 1, config.pixel_interval - 1))
            ),
            self.event.valid.eq(emit),
            self.event.slot.eq(slot),
            self.event.pixel.eq(pixel),
            self.event.row_end.eq(pixel_last & row_last),
            self.event.map_end.eq(pixel_last & map_last),
            self.ready.eq(Mux(active, emit & tile_last & (interval_last == 0), wait <= 1)),
            self.idle.eq(~active),
        ]

        with m.If(emit):
            m.d.sync += wait.eq(interval_last)
            with m.If(pixel_last):
                m.d.sync += [pixel.eq(0), slot.eq(Mux(tile_last, 0, slot + 1))]
                with m.If(row_last):
                    m.d.sync += [
                        groups_left.eq(layer.row_groups_last),
                        rows_left.eq(Mux(map_last, layer.rows_last, rows_left - 1)),
                    ]
                with m.Else():
                    m.d.sync += groups_left.eq(groups_left - 1)
            with m.Else():
                m.d.sync += pixel.eq(pixel + 1)
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)

        with m.If(self.start):
            m.d.sync += active.eq(1)
        with m.Elif(emit & tile_last):
            m.d.sync += active.eq(0)

        with m.If(self.go):
            m.d.sync += [
                slot.eq(0),
                pixel.eq(0),
                groups_left.eq(layer.row_groups_last),
                rows_left.eq(layer.rows_last),
            ]
        return m
