"""Tests of macaw.compiler.layer_plan: residual addition as a depthwise convolution of two maps; rows walked by the words' loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from macaw.compiler.certified_addition import balanced_digits
from macaw.compiler.graph import Add, Convolution
from macaw.compiler.layer_plan import ADDITION_TAPS, addition_weights, plan_layer
from macaw.compiler.requantization import FloatRequantization
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
def test_both_maps_of_an_addition_must_lie_alike(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the two maps that add adds do not lie alike"):
        plan_layer(_ADD, _MAP, _MAP, 2, replace(_MAP, **change))


def _pool(padding: int = 0, groups: int = 10, product: str = "int8xint8") -> Convolution:
    return Convolution(
        name="pool", operator="AveragePool", input="a", output="b", weights=np.ones((10, 3, 5, 10 // groups), np.int8),
        bias=np.zeros(10, np.int64), requantization=FloatRequantization(scale=np.ones(10, np.float32), zero_point=0),
        groups=groups, padding=(padding,) * 4, dilation=(2, 1), product=product,
    )  # fmt: skip


def test_the_loop_over_words_walks_the_rows_of_an_average_pool() -> None:
    plan = plan_layer(_pool(), _MAP, replace(_MAP, height=1, width=3), 2)
    assert (len(plan.taps), plan.kernel_rows, plan.kernel_positions) == (5, 3, 15)
    assert {tap.row for tap in plan.taps} == {0} and list(plan.walked_rows) == [0, 2, 4]
    loops = plan.loops(*plan.passes[0])
    assert (loops["taps_last"], loops["words_last"]) == (4, 2)
    assert plan.word_step == 2 * _MAP.line_words
    assert plan.weight_words == 5 * 15 and plan.shape.taps == 15


@pytest.mark.parametrize(
    "node", [_pool(padding=1), _pool(groups=1), _pool(groups=5, product="int8xbinary")], ids=["padding", "words", "masks"]
)
def test_rows_are_taps_where_they_may_be_padding_or_words_are_walked(node: Convolution) -> None:
    height, width = (3, 5) if node.padding[0] else (1, 3)
    plan = plan_layer(node, _MAP, replace(_MAP, height=height, width=width), 2)
    assert (len(plan.taps), plan.kernel_rows, plan.word_step) == (15, 1, _MAP.plane_words)


@pytest.mark.parametrize(("channels", "runs"), [(27, [(3, 0), (1, 3)]), (32, [(4, 0)]), (29, [(4, 0)]), (8, [(1, 0)])])
def test_groups_that_read_the_end_of_a_ternary_map_have_a_descriptor_of_their_own(
    channels: int, runs: list[tuple[int, int]]
) -> None:
    """Bytes behind the last channel are masked in their word, and only there: words of two bytes hold eight channels."""
    layer = Convolution(
        name="conv", operator="Conv", input="a", output="b", weights=np.ones((channels, 1, 1, 1), np.int8),
        bias=np.zeros(channels, np.int64), groups=channels, product="ternaryxternary",
        requantization=FloatRequantization(scale=np.ones(channels, np.float32), zero_point=0),
    )  # fmt: skip
    source = MapLayout(p=1, m=2, height=2, width=2, channels=channels, format="ternary")
    plan = plan_layer(layer, source, source, 8)
    assert [(run.groups, run.first_word) for run in plan.runs] == runs
