"""Tests of macaw.compiler.layer_plan: residual addition as a depthwise convolution of two maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from macaw.compiler.certified_addition import balanced_digits
from macaw.compiler.graph import Add
from macaw.compiler.layer_plan import ADDITION_TAPS, addition_weights, plan_layer
from macaw.hw.memory.map_layout import MapLayout

_ADD = Add(
    name="add", operator="Add", input="a", second="b", output="c", table=np.zeros((256, 256), np.int8),
    weights=(1.0, 1.0), zero_point=0,
)  # fmt: skip
_MAP = MapLayout(p=3, m=4, height=5, width=7, channels=10)


def test_the_taps_of_an_addition_read_both_maps_twice() -> None:
    plan = plan_layer(_ADD, _MAP, _MAP, 2, _MAP, -60)
    assert [(tap.scale, tap.address) for tap in plan.taps] == [(True, 0), (True, -60), (False, 0), (False, -60)]
    assert all((tap.bank, tap.row, tap.column, tap.columns) == (0, 0, 0, 7) for tap in plan.taps)
    # Two lanes never reach over a word of four channels: one word a group, two groups a word.
    assert [(run.groups, run.words, run.period, run.period_words) for run in plan.runs] == [(5, 1, 2, 1)]
    assert plan.multiplies and plan.products == 0
    assert (plan.weight_words, plan.parameter_groups) == (5 * 4, 5)


@pytest.mark.parametrize(("first", "second"), [(32639, -32896), (1, -1), (300, 128), (0, 25700)])
def test_the_weights_of_an_addition_make_its_sum(first: int, second: int) -> None:
    digits = (balanced_digits(first), balanced_digits(second))
    weights = addition_weights(digits, 6).astype(np.int64)
    assert weights.shape == (6, 1, 4, 6)
    maps = np.random.default_rng(3).integers(-128, 128, (2, 6))
    sums = sum(
        weights[:, 0, position] @ maps[which] * (256 if scale else 1)
        for position, (scale, which) in enumerate(ADDITION_TAPS)
    )
    assert np.array_equal(sums, first * maps[0] + second * maps[1])


@pytest.mark.parametrize("change", [{"phases": 2}, {"pitch": 40}, {"channels": 13}])
def test_both_maps_of_an_addition_must_lie_alike(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="the two maps that add adds do not lie alike"):
        plan_layer(_ADD, _MAP, _MAP, 2, replace(_MAP, **change))
