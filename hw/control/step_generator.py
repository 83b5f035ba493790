"""The step generator: a layer's loop nest, one step of the array a cycle."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from .descriptor import Operation, descriptor_layout

__all__ = ["StepGenerator", "step_layout"]


def step_layout(config: EngineConfig) -> data.StructLayout:
    """One step: which window, which weight word, and what they mean to the sums.

    ``valid`` marks a step of the array, ``parameters`` a row of requantization parameters (``parameters_last``: the group's last).
    ``fetch`` reads the weight word at ``weight``; without it the word before is used again. ``last`` ends a
    pixel group's sum in accumulation slot ``slot``. ``group`` is the feature-buffer address of the pixel group, to which
    ``word`` (the input word) and the tap's address are added; ``column`` and ``row`` are its first pixel's input column (in
    its phase) and row, to which the tap's are added. ``word_end``, only with ``config.masking``: the last input word.
    """
    return data.StructLayout(
        {
            "valid": 1,
            "parameters": 1,
            "parameters_last": 1,
            "fetch": 1,
            "last": 1,
            "slot": unsigned(config.slot_bits),
            "tap": unsigned(config.tap_bits),
            "group": unsigned(config.feature_bits),
            "word": unsigned(config.feature_bits),
            "column": unsigned(config.extent_width + 1),
            "row": unsigned(config.extent_width + 1),
            "weight": unsigned(config.weight_bits),
            **({"word_end": 1} if config.masking else {}),
        }
    )


class StepGenerator(wiring.Component):
    """Walks output groups; in each, tiles of ``depth`` pixel groups; in each, taps, then input words, then pixel groups.

    This is the pixel-first order of the draft paper on an accelerator with a resistive-RAM weight buffer (section 4);
    with ``depth`` = 1 it is kernel-first. A weight word is fetched once for a tile. Max pooling uses tiles of one group.

    Waits (``stalled``) in two places and nowhere else: before the steps that finish a tile, until the drain will have
    left the slots; before a group's parameters, until the group two before has given up its own.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    layer : In(descriptor_layout(config))
        Must be stable from ``go`` until ``idle``.
    go : In(1)
        Starts the layer; only while ``idle``.
    idle : Out(1)
    drain_ready : In(1)
        A tile may begin to finish in this cycle.
    drain_start : Out(1)
        A tile begins to finish in this cycle.
    exchanged : In(1)
        A group's parameters are free (see OutputStage).
    step : Out(step_layout(config)), stalled : Out(1)

    **Timing.** The first step comes one cycle after ``go``; then one a cycle unless ``stalled``.

    **Reset.** Idle.
    """

    layer: Any
    go: Signal
    idle: Signal
    drain_ready: Signal
    drain_start: Signal
    exchanged: Signal
    step: Any
    stalled: Signal

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        super().__init__(
            {
                "layer": In(descriptor_layout(config)),
                "go": In(1),
                "idle": Out(1),
                "drain_ready": In(1),
                "drain_start": Out(1),
                "exchanged": In(1),
                "step": Out(step_layout(config)),
                "stalled": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        layer = self.layer
        pooling = Signal()
        m.d.comb += pooling.eq(layer.operation == Operation.MAX_POOL)

        # Place in the output map: where the tile begins, and where the present pixel group is.
        place = data.StructLayout(
            {
                "line": unsigned(config.feature_bits),  # address of the row
                "group": unsigned(config.feature_bits),  # address of the pixel group
                "column": unsigned(config.extent_width + 1),
                "row": unsigned(config.extent_width + 1),
                "groups_left": unsigned(config.extent_width),
                "rows_left": unsigned(config.extent_width),
                "row_last": 1,  # groups_left is 0
                "rows_last": 1,  # rows_left is 0
            }
        )
        here = Signal(place, reset_less=True)
        tile = Signal(place, reset_less=True)
        # With one pixel group a tile, the tile begins where we are: no register for it.
        both = [here, tile] if config.depth > 1 else [here]
        following = Signal(place)
        beginning = Signal(place)
        input_base = Signal(config.feature_bits, reset_less=True)
        next_base = Signal(config.feature_bits)
        row_last = here.row_last
        map_last = Signal()
        m.d.comb += map_last.eq(row_last & here.rows_last)
        next_line = Signal(config.feature_bits)
        # After the map's last pixel group comes the first one, of the next output group. A mask, unlike a multiplexer with
        # 0, is not turned into a reset of the register with a long condition.
        m.d.comb += [
            next_line.eq(Mux(here.rows_last, next_base, here.line + layer.row_step)),
            following.line.eq(Mux(row_last, next_line, here.line)),
            following.group.eq(Mux(row_last, next_line, here.group + 1)),
            following.column.eq((here.column + config.p) & (~row_last).replicate(len(here.column))),
            following.row.eq(
                Mux(row_last, (here.row + layer.row_stride) & (~here.rows_last).replicate(len(here.row)), here.row)
            ),
            following.groups_left.eq(Mux(row_last, layer.row_groups_last, here.groups_left - 1)),
            following.row_last.eq(Mux(row_last, beginning.row_last, here.groups_left == 1)),
            following.rows_left.eq(
                Mux(row_last, Mux(here.rows_last, layer.rows_last, here.rows_left - 1), here.rows_left)
            ),
            following.rows_last.eq(
                Mux(row_last, Mux(here.rows_last, beginning.rows_last, here.rows_left == 1), here.rows_last)
            ),
            beginning.line.eq(layer.input_first),
            beginning.group.eq(layer.input_first),
            beginning.column.eq(0),
            beginning.row.eq(0),
            beginning.groups_left.eq(layer.row_groups_last),
            beginning.row_last.eq(layer.row_groups_last == 0),
            beginning.rows_left.eq(layer.rows_last),
            beginning.rows_last.eq(layer.rows_last == 0),
        ]

        # Kernel position and input word.
        tap = Signal(config.tap_bits, reset_less=True)
        taps_left = Signal(config.tap_bits, reset_less=True)
        words_left = Signal(config.group_width, reset_less=True)
        word = Signal(config.feature_bits, reset_less=True)
        word_last = Signal(reset_less=True)  # words_left is 0
        tap_last = Signal(reset_less=True)  # taps_left is 0
        phase_last = Signal(reset_less=True)  # both

        # Output group, weights, accumulation slot.
        groups_left = Signal(config.group_width, reset_less=True)
        period_left = Signal(config.group_width, reset_less=True)
        weight = Signal(config.weight_bits, reset_less=True)
        group_weight = Signal(config.weight_bits, reset_less=True)
        slot = Signal(config.slot_bits, reset_less=True)
        slot_last = Signal()
        m.d.comb += slot_last.eq(pooling | (slot == config.depth - 1) | map_last)

        period_end = Signal(reset_less=True)  # period_left is 0
        rows_left = Signal(range(config.parameter_words), reset_less=True)
        rows_first = Signal(reset_less=True)  # none of the rows has been sent
        # Output groups whose parameters may still be sent: one set in use, one waiting.
        credits = Signal(range(3))
        following_credits = Signal(range(3))
        spent = Signal(reset_less=True)  # credits is 0
        spend = Signal()
        m.d.comb += following_credits.eq(credits - spend + self.exchanged)
        m.d.sync += [credits.eq(following_credits), spent.eq(following_credits == 0)]
        m.d.comb += next_base.eq(Mux(period_end, input_base + layer.period_step, input_base))

        def begin_kernel() -> list[Any]:
            return [
                tap.eq(layer.tap_first),
                taps_left.eq(layer.taps_last),
                tap_last.eq(layer.taps_last == 0),
                words_left.eq(layer.words_last),
                word_last.eq(layer.words_last == 0),
                phase_last.eq((layer.taps_last == 0) & (layer.words_last == 0)),
            ]

        following_word = Signal.like(word)
        m.d.comb += following_word.eq((word + layer.word_step) & (~word_last).replicate(len(word)))

        m.d.comb += [
            self.step.slot.eq(slot),
            self.step.tap.eq(tap),
            self.step.group.eq(here.group),
            self.step.word.eq(word),
            self.step.column.eq(here.column),
            self.step.row.eq(here.row),
            self.step.weight.eq(weight),
            self.step.last.eq(phase_last),
            *([self.step.word_end.eq(word_last)] if config.masking else []),
        ]

        with m.FSM() as fsm:
            m.d.comb += self.idle.eq(fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.sync += [
                    input_base.eq(layer.input_first),
                    *(register.eq(beginning) for register in both),
                    groups_left.eq(layer.groups_last),
                    period_left.eq(layer.period_last),
                    period_end.eq(layer.period_last == 0),
                    weight.eq(layer.weight_first),
                    slot.eq(0),
                    credits.eq(2),
                    spent.eq(0),
                    rows_left.eq(config.parameter_words - 1),
                    rows_first.eq(1),
                    word.eq(0),
                    *begin_kernel(),
                ]
                with m.If(self.go):
                    with m.If(pooling):
                        m.next = "STEPS"
                    with m.Else():
                        m.next = "PARAMETERS"

            with m.State("PARAMETERS"):
                with m.If(rows_first & spent):
                    m.d.comb += self.stalled.eq(1)
                with m.Else():
                    m.d.comb += [
                        spend.eq(rows_first),
                        self.step.parameters.eq(1),
                        self.step.parameters_last.eq(rows_left == 0),
                        self.step.fetch.eq(1),
                    ]
                    m.d.sync += [weight.eq(weight + 1), group_weight.eq(weight + 1)]
                    with m.If(rows_left == 0):
                        m.d.sync += [rows_left.eq(config.parameter_words - 1), rows_first.eq(1)]
                        m.next = "STEPS"
                    with m.Else():
                        m.d.sync += [rows_left.eq(rows_left - 1), rows_first.eq(0)]

            with m.State("STEPS"):
                finishing = phase_last & (slot == 0)
                with m.If(finishing & ~self.drain_ready):
                    m.d.comb += self.stalled.eq(1)
                with m.Else():
                    m.d.comb += [
                        self.step.valid.eq(1),
                        self.step.fetch.eq((slot == 0) & ~pooling),
                        self.drain_start.eq(finishing),
                    ]
                    with m.If(slot_last):
                        m.d.sync += [slot.eq(0), word.eq(following_word)]
                        with m.If(phase_last):
                            m.d.sync += [register.eq(following) for register in both]
                            m.d.sync += weight.eq(group_weight)
                            m.d.sync += begin_kernel()
                        with m.Else():
                            m.d.sync += weight.eq(weight + 1)
                            if config.depth > 1:
                                m.d.sync += here.eq(tile)
                            with m.If(word_last):
                                m.d.sync += [
                                    words_left.eq(layer.words_last),
                                    word_last.eq(layer.words_last == 0),
                                    tap.eq(tap + 1),
                                    taps_left.eq(taps_left - 1),
                                    tap_last.eq(taps_left == 1),
                                    phase_last.eq((taps_left == 1) & (layer.words_last == 0)),
                                ]
                            with m.Else():
                                m.d.sync += [
                                    words_left.eq(words_left - 1),
                                    word_last.eq(words_left == 1),
                                    phase_last.eq((words_left == 1) & tap_last),
                                ]
                    with m.Else():
                        m.d.sync += [slot.eq(slot + 1), here.eq(following)]

                    with m.If(phase_last & map_last):
                        # The output group is complete.
                        with m.If(period_end):
                            m.d.sync += [period_left.eq(layer.period_last), period_end.eq(layer.period_last == 0)]
                        with m.Else():
                            m.d.sync += [period_left.eq(period_left - 1), period_end.eq(period_left == 1)]
                        m.d.sync += [
                            groups_left.eq(groups_left - 1),
                            input_base.eq(next_base),
                            weight.eq(weight + 1),
                        ]
                        with m.If(groups_left == 0):
                            m.next = "IDLE"
                        with m.Elif(~pooling):
                            m.next = "PARAMETERS"
        return m
