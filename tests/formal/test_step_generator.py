# amaranth: UnusedElaboratable=no
"""Proof: the steps of a layer are those of its descriptor and lie inside of what it declares, for every descriptor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Signal, Value, unsigned
from amaranth.lib import data

from macaw.hw.config import EngineConfig
from macaw.hw.control.descriptor import Operation
from macaw.hw.control.step_generator import StepGenerator
from macaw.sim.proof import elaborated, prove

NARROW: dict[str, Any] = {
    "m": 1, "n": 1, "feature_depth": 8, "weight_depth": 16, "tap_depth": 4, "program_depth": 64, "extent_width": 3, "group_width": 2,
    "accumulator_width": 12, "multiplier_width": 8, "shifts": (1,),
}  # fmt: skip


def _place(config: EngineConfig) -> data.StructLayout:
    """The generator's place in the map."""
    feature, extent = unsigned(config.feature_bits), config.extent_width
    return data.StructLayout(
        {
            "line": feature, "group": feature, "column": unsigned(extent + 1), "row": unsigned(extent + 1),
            "groups_left": unsigned(extent), "rows_left": unsigned(extent), "row_last": 1, "rows_last": 1,
        }
    )  # fmt: skip


class _Ranges(Elaboratable):
    """Any descriptor, any stalls. The assertions are what is true of the registers in each cycle; so the steps are.

    Addresses are modulo the memory's size, as the descriptor's are.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.unit = StepGenerator(config)

    @property
    def ports(self) -> list[Any]:
        unit = self.unit
        return [Value.cast(unit.layer), unit.go, unit.drain_ready, unit.exchanged]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        unit, config, layer, step = self.unit, self.config, self.unit.layer, self.unit.step
        m.submodules.unit, registers, machine = elaborated(unit, platform)
        state = {name: machine.state == number for name, number in machine.encoding.items()}
        busy, pooling = ~unit.idle, layer.operation == Operation.MAX_POOL

        # The descriptor stays from `go` on.
        before = Signal(len(Value.cast(layer)))
        m.d.sync += before.eq(Value.cast(layer))
        m.d.comb += [Assume(~busy | (Value.cast(layer) == before)), Assume(~unit.go | unit.idle)]

        def holds(name: str, condition: Any, when: Any = 1) -> None:
            shown = Signal(name=f"holds_{name}")
            m.d.comb += [shown.eq(~(busy & when).bool() | condition), Assert(shown)]

        holds("state", machine.state < len(machine.encoding))
        counters = {
            name: registers[name] for name in ("taps_left", "words_left", "groups_left", "period_left")
        }  # fmt: skip
        limits = {
            "taps_left": layer.taps_last, "words_left": layer.words_last, "groups_left": layer.groups_last,
            "period_left": layer.period_last,
        }  # fmt: skip
        for name, counter in counters.items():
            holds(name, counter <= limits[name])
        for flag, zero in (
            ("tap_last", counters["taps_left"] == 0),
            ("word_last", counters["words_left"] == 0),
            ("phase_last", (counters["taps_left"] == 0) & (counters["words_left"] == 0)),
            ("period_end", counters["period_left"] == 0),
        ):
            holds(flag, registers[flag] == zero)
        taps_done = (layer.taps_last - counters["taps_left"])[: config.tap_bits]
        words_done = (layer.words_last - counters["words_left"])[: config.group_width]
        groups_done = (layer.groups_last - counters["groups_left"])[: config.group_width]
        holds("tap", registers["tap"] == (layer.tap_first + taps_done)[: config.tap_bits])
        holds("word", registers["word"] == (words_done * layer.word_step)[: config.feature_bits])
        if config.depth > 1:
            holds("slot", registers["slot"] < config.depth)

        # Input words move on after so many output groups.
        periods = Signal(config.group_width)
        complete = Signal()
        here = data.View(_place(config), registers["here"])
        m.d.comb += complete.eq(step.valid & registers["phase_last"] & here.row_last & here.rows_last)
        with m.If(unit.idle):
            m.d.sync += periods.eq(0)
        with m.Elif(complete & registers["period_end"]):
            m.d.sync += periods.eq(periods + 1)
        holds(
            "periods",
            groups_done == periods * (layer.period_last + 1) + (layer.period_last - counters["period_left"])[: config.group_width],
        )
        base = registers["input_base"]
        holds("base", base == (layer.input_first + periods * layer.period_step)[: config.feature_bits])

        # Rows and pixel groups of the map, and no others.
        for name in ("here", "tile") if config.depth > 1 else ("here",):
            place = data.View(_place(config), registers[name])
            rows = (layer.rows_last - place.rows_left)[: config.extent_width]
            groups = (layer.row_groups_last - place.groups_left)[: config.extent_width]
            holds(f"{name}_rows", place.rows_left <= layer.rows_last)
            holds(f"{name}_groups", place.groups_left <= layer.row_groups_last)
            holds(f"{name}_row_last", place.row_last == (place.groups_left == 0))
            holds(f"{name}_rows_last", place.rows_last == (place.rows_left == 0))
            holds(f"{name}_row", place.row == (rows * layer.row_stride)[: config.extent_width + 1])
            holds(f"{name}_column", place.column == (groups * config.p)[: config.extent_width + 1])
            holds(f"{name}_line", place.line == (base + rows * layer.row_step)[: config.feature_bits])
            holds(f"{name}_group", place.group == (place.line + groups)[: config.feature_bits])

        # Weights: parameters of a group, its words in the order of taps and input words, then the next group's.
        taps, words = layer.taps_last + 1, layer.words_last + 1
        first = Signal(config.weight_bits)
        with m.If(unit.idle):
            m.d.sync += first.eq(layer.weight_first)
        with m.Elif(complete):
            m.d.sync += first.eq(first + config.parameter_words + taps * words)
        weight, group_weight = registers["weight"], registers["group_weight"]
        rows_left = registers["rows_left"]
        holds("parameters", rows_left < config.parameter_words, ~pooling)
        holds("all_parameters", rows_left == config.parameter_words - 1, state["STEPS"])
        holds("first_parameter", registers["rows_first"] == (rows_left == config.parameter_words - 1))
        holds(
            "parameter", weight == (first + (config.parameter_words - 1 - rows_left))[: config.weight_bits], state["PARAMETERS"]
        )
        holds("group_weight", group_weight == (first + config.parameter_words)[: config.weight_bits], state["STEPS"] & ~pooling)
        holds(
            "weight",
            weight == (group_weight + taps_done * words + words_done)[: config.weight_bits],
            state["STEPS"] & ~pooling,
        )
        holds("kernel_begins", (taps_done == 0) & (words_done == 0), state["PARAMETERS"])
        holds(
            "map_begins", (here.groups_left == layer.row_groups_last) & (here.rows_left == layer.rows_last), state["PARAMETERS"]
        )
        holds("slot_begins", registers["slot"] == 0 if config.depth > 1 else 1, state["PARAMETERS"])
        holds("no_parameters", ~state["PARAMETERS"], pooling)

        # What is shown is that.
        m.d.comb += [
            Assert(~(step.valid | step.parameters) | busy),
            Assert(~step.valid | ((step.tap == registers["tap"]) & (step.word == registers["word"]))),
            Assert(~step.valid | ((step.group == here.group) & (step.row == here.row) & (step.column == here.column))),
            Assert(~(step.fetch) | (step.weight == weight)),
            Cover(complete & (groups_done == 3) & (periods == 1) & (taps_done == 1) & (here.group != layer.input_first)),
            Cover(complete & ~pooling & (groups_done == 1) & (words_done == 1)),
        ]
        return m


@pytest.mark.parametrize("depth", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_ranges(depth: int, tmp_path: Path) -> None:
    spec = _Ranges(EngineConfig(p=2, depth=depth, **NARROW))
    prove(spec, spec.ports, tmp_path, depth=2, cover=2 * spec.config.parameter_words + 8)
