"""Bench of ``StepGenerator``: random layers, a drain and an output stage that are ready at random; every step and stall."""

from __future__ import annotations

from typing import Any

import cocotb

from ...hw.config import EngineConfig
from ...hw.control.descriptor import Operation, decode, descriptor_layout, encode
from ...hw.control.step_generator import step_layout
from ..golden.step_generator import layer_steps
from .unit import Unit, run_units


def _random_layer(unit: Unit, config: EngineConfig, pooling: bool) -> dict[str, int]:
    chance = unit.chance
    feature, fields = 1 << config.feature_bits, {name: 0 for name, _ in descriptor_layout(config)}
    return fields | {
        "operation": (Operation.MAX_POOL if pooling else Operation.CONVOLUTION).value,
        "groups_last": chance.randrange(5),
        "words_last": 0 if pooling else chance.randrange(3),
        "taps_last": chance.choice([0, 0, chance.randrange(4)]),
        "tap_first": chance.randrange(20),
        "weight_first": chance.randrange(30),
        "rows_last": chance.randrange(4),
        "row_groups_last": chance.randrange(4),
        "input_first": chance.randrange(feature),
        "word_step": chance.randrange(9),
        "row_step": chance.randrange(feature),
        "row_stride": chance.randint(1, 4),
        "period_last": chance.randrange(3),
        "period_step": chance.randrange(9),
    }


class _Surroundings:
    """The drain and the output stage as the step generator sees them, and its credits as documented."""

    def __init__(self, unit: Unit, busy: float) -> None:
        self.unit, self.busy = unit, busy
        self.sent = 0  # output groups whose parameters have been sent
        self.returned = 0  # output groups that have given up theirs, up to the cycle before

    def drive(self) -> tuple[bool, bool]:
        """Inputs of one cycle: a drain that is ready, an exchange."""
        chance = self.unit.chance
        ready = chance.random() >= self.busy
        exchanged = self.returned < self.sent and chance.random() >= self.busy
        self.unit.drive(drain_ready=int(ready), exchanged=int(exchanged))
        return ready, exchanged


@cocotb.test()
@cocotb.parametrize(busy=[0.0, 0.5, 0.9])
async def layers(dut: Any, busy: float) -> None:
    """A step a cycle from the cycle after ``go``, except where the drain or the parameters are waited for."""

    async def body(unit: Unit) -> None:
        config = EngineConfig.from_dict(unit.told["config"])
        layout = step_layout(config)
        for index in range(8):
            pooling = index % 4 == 3
            layer = _random_layer(unit, config, pooling)
            around = _Surroundings(unit, busy)
            unit.drive(layer=encode(descriptor_layout(config), layer), go=1, drain_ready=unit.chance.randrange(2))
            await unit.tick()
            assert unit.get("idle") and not unit.get("drain_start") and not unit.get("stalled")
            unit.drive(go=0)
            for want in layer_steps(layer, config.p, config.depth, config.parameter_words, pooling=pooling):
                while True:
                    ready, exchanged = around.drive()
                    await unit.tick()
                    step = decode(layout, unit.get("step"))
                    assert not unit.get("idle")
                    stall = (want["group_start"] and around.sent - around.returned >= 2) or (
                        want["drain_start"] and not ready
                    )
                    around.returned += exchanged
                    assert unit.get("stalled") == bool(stall), f"stalled before {want}"
                    if not stall:
                        break
                    assert not (step["valid"] or step["parameters"] or step["fetch"] or unit.get("drain_start"))
                around.sent += want["group_start"]
                assert unit.get("drain_start") == want["drain_start"], want
                for name, value in want.items():
                    if name in step:
                        width = layout[name].width
                        assert step[name] == value % (1 << width), f"{name} is {step[name]} for {want}"
            for _ in range(unit.chance.choice([1, 5])):
                unit.drive(drain_ready=unit.chance.randrange(2), exchanged=0)
                await unit.tick()
                step = decode(layout, unit.get("step"))
                assert unit.get("idle")
                assert not (step["valid"] or step["parameters"] or step["fetch"] or unit.get("drain_start"))

    await run_units(dut, body)
