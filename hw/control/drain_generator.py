"""The drain generator: the order in which finished pixels leave the accumulation buffer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
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

    **Timing.** The first event of a tile comes one cycle after ``start``; the next ones every ``config.pixel_intervals`` cycles of the layer's output format,
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

        interval: Any = config.pixel_interval
        if len(set(config.pixel_intervals)) > 1:
            # Of few bits, an output group touches fewer words.
            interval = Signal(range(config.pixel_interval + 1), reset_less=True)
            m.d.sync += interval.eq(Array(config.pixel_intervals)[layer.output_format])

        active = Signal()
        wait = Signal(range(max(self.group_interval, 2)))
        # Flags of the present state, computed with the state: the step generator has much to do behind `ready`.
        wait_zero = Signal(init=1)
        wait_short = Signal(init=1)  # at most 1
        ready = Signal(init=1)

        # The pixel that leaves next.
        place = data.StructLayout(
            {
                "slot": unsigned(config.slot_bits),
                "pixel": unsigned(config.bank_bits),
                "groups_left": unsigned(config.extent_width),
                "rows_left": unsigned(config.extent_width),
                "pixel_last": 1,  # of its group
                "row_last": 1,  # in the last group of its row
                "rows_last": 1,  # in the last row
                "tile_last": 1,  # of its tile
                "ending": 1,  # of its tile, and the next one may follow at once
            }
        )
        here = Signal(place)
        after = Signal(place)
        first = Signal(place)
        map_last = here.row_last & here.rows_last

        tail_alone = Signal(reset_less=True)  # the last group of a row has one pixel
        m.d.sync += tail_alone.eq(layer.tail_last == 0)

        def flags(of: Any, pixel_last: Any) -> list[Any]:
            """The flags of a place from its numbers and its ``row_last``, ``rows_last``."""
            map_end = pixel_last & of.row_last & of.rows_last
            tile_last = pixel_last & (pooling | (of.slot == config.depth - 1) | (of.row_last & of.rows_last))
            quick = Mux(map_end, self.group_interval == 1, interval == 1)
            return [of.pixel_last.eq(pixel_last), of.tile_last.eq(tile_last), of.ending.eq(tile_last & (pooling | quick))]

        m.d.comb += [
            first.groups_left.eq(layer.row_groups_last),
            first.rows_left.eq(layer.rows_last),
            first.row_last.eq(layer.row_groups_last == 0),
            first.rows_last.eq(layer.rows_last == 0),
            *flags(first, Mux(first.row_last, layer.tail_last == 0, config.p == 1)),
            after.pixel.eq(Mux(here.pixel_last, 0, here.pixel + 1)),
            after.slot.eq(Mux(here.tile_last, 0, here.slot + here.pixel_last)),
            after.groups_left.eq(
                Mux(
                    here.pixel_last,
                    Mux(here.row_last, layer.row_groups_last, here.groups_left - 1),
                    here.groups_left,
                )
            ),
            after.row_last.eq(
                Mux(here.pixel_last, Mux(here.row_last, first.row_last, here.groups_left == 1), here.row_last)
            ),
            after.rows_left.eq(here.rows_left),
            after.rows_last.eq(here.rows_last),
            *flags(
                after,
                Mux(
                    here.pixel_last,
                    Mux(after.row_last, tail_alone, config.p == 1),
                    here.pixel + 1 == Mux(here.row_last, layer.tail_last, config.p - 1),
                ),
            ),
        ]
        with m.If(here.pixel_last & here.row_last):
            m.d.comb += [
                after.rows_left.eq(Mux(map_last, layer.rows_last, here.rows_left - 1)),
                after.rows_last.eq(Mux(map_last, first.rows_last, here.rows_left == 1)),
            ]

        emit = Signal()
        pause = Signal.like(wait)
        m.d.comb += [
            emit.eq(active & wait_zero),
            pause.eq(Mux(pooling, 0, Mux(self.event.map_end, self.group_interval - 1, interval - 1))),
            self.event.valid.eq(emit),
            self.event.slot.eq(here.slot),
            self.event.pixel.eq(here.pixel),
            self.event.row_end.eq(here.pixel_last & here.row_last),
            self.event.map_end.eq(here.pixel_last & map_last),
            self.ready.eq(ready),
            self.idle.eq(~active),
        ]

        next_zero = Signal()
        next_short = Signal()
        next_ending = Signal()
        with m.If(emit):
            m.d.sync += [here.eq(after), wait.eq(pause)]
            m.d.comb += [next_zero.eq(pause == 0), next_short.eq(pause <= 1), next_ending.eq(after.ending)]
        with m.Else():
            m.d.sync += wait.eq(Mux(wait_zero, wait, wait - 1))
            m.d.comb += [
                next_zero.eq(wait_zero | (wait == 1)),
                next_short.eq(wait_short | (wait <= 2)),
                next_ending.eq(here.ending),
            ]
        # Where a tile is under way the next one may follow its last event at once; else it comes one cycle later.
        stays = active & ~(emit & here.tile_last)
        m.d.sync += [
            wait_zero.eq(next_zero),
            wait_short.eq(next_short),
            ready.eq(Mux(self.start | stays, next_zero & next_ending, next_short)),
        ]

        with m.If(self.start):
            m.d.sync += active.eq(1)
        with m.Elif(emit & here.tile_last):
            m.d.sync += active.eq(0)

        with m.If(self.go):
            m.d.sync += here.eq(first)
        return m
