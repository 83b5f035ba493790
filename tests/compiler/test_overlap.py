"""Tests of macaw.compiler.overlap against the layer's reads and writes, walked one by one."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macaw.compiler.copy_layer import identity_convolution
from macaw.compiler.graph import Convolution, MaxPool, Node
from macaw.compiler.layer_plan import LayerPlan, dense_weights, plan_layer
from macaw.compiler.overlap import legal_distances
from macaw.compiler.requantization import FloatRequantization
from macaw.hw.memory.map_layout import MapLayout


def convolution(inputs: int, outputs: int, kernel: int, groups: int = 1, **geometry: Any) -> Convolution:
    return Convolution(
        name="conv", operator="Conv", input="in", output="out",
        weights=np.ones((outputs, kernel, kernel, inputs // groups), np.int8), bias=np.zeros(outputs, np.int64),
        requantization=FloatRequantization(scale=np.ones(outputs, np.float32), zero_point=0, low=-128, high=127),
        groups=groups, padding=(kernel // 2,) * 4, **geometry,
    )  # fmt: skip


def plan_of(
    node: Node, array: tuple[int, int, int], shape: tuple[int, int, int], outputs: int, **keywords: int
) -> LayerPlan:
    """``keywords``: phases of the output, gap (rows between planes), tile_rows."""
    p, m, n = array
    height, width, channels = shape
    sy, sx = node.stride  # type: ignore[attr-defined]
    gap = keywords.get("gap", 0)
    source = MapLayout(p=p, m=m, height=height, width=width, channels=channels, phases=sx)
    target = MapLayout(
        p=p, m=m, height=-(-height // sy), width=-(-width // sx), channels=outputs, phases=keywords.get("phases", 1)
    )
    source, target = (
        MapLayout(**{**vars(layout), "pitch": layout.plane_words + gap * layout.line_words})
        for layout in (source, target)
    )
    return plan_layer(node, source, target, n, tile_rows=keywords.get("tile_rows", 0))


def needs(plan: LayerPlan, group: int, word: int) -> bool:
    """Whether a channel of the output group depends on one of the word."""
    node, m = plan.node, plan.input.m
    if isinstance(node, MaxPool):
        return word == group
    assert isinstance(node, Convolution)
    dense = dense_weights(node, plan.input.channels)
    return bool(dense[group * plan.lanes : (group + 1) * plan.lanes, :, :, word * m : (word + 1) * m].any())


def holds(plan: LayerPlan, distance: int) -> bool:
    """Whether no word is read after it was written, if a pixel group writes at once when its reads have been issued."""
    source, target, m = plan.input, plan.output, plan.output.m
    written: set[int] = set()
    for tile, run in plan.passes:
        for group in range(run.groups):
            first_word = run.first_word + group // run.period * run.period_words
            words = [
                word for word in range(first_word, first_word + run.words) if needs(plan, run.first_group + group, word)
            ]
            channels = range((run.first_group + group) * plan.lanes, (run.first_group + group + 1) * plan.lanes)
            planes = {channel // m for channel in channels if channel < target.channels}
            for y in range(tile.first, tile.first + tile.rows):
                for begin in range(0, target.width, target.p):
                    for tap, walked in product(tile.taps, plan.walked_rows):
                        row = tile.input_row + (y - tile.first) * plan.stride[0] + tap.row + walked
                        for i in range(target.p):
                            column = begin + tap.column + i
                            if 0 <= row < source.height and 0 <= column < tap.columns and begin + i < target.width:
                                # The tap's address is that of its column in bank 0; the columns before lie in the phase.
                                phase = tap.address - (tap.row * source.line_words + tap.column // source.p)
                                address = row * source.line_words + phase + column // source.p
                                for word in words:
                                    if word * source.plane_words + address in written:
                                        return False
                    for x in range(begin, min(begin + target.p, target.width)):
                        place = y * target.line_words + x % target.phases * target.phase_words
                        place += x // target.phases // target.p
                        written |= {distance + plane * target.plane_words + place for plane in planes}
    return True


ARRAYS = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=120, deadline=None)
@given(
    array=ARRAYS, height=st.integers(1, 6), width=st.integers(1, 6), channels=st.integers(1, 7), kind=st.integers(0, 3),
    kernel=st.sampled_from([1, 3]), stride=st.integers(1, 2), phases=st.integers(1, 2), gap=st.integers(0, 3),
    tile_rows=st.integers(0, 3), backwards=st.booleans(),
)  # fmt: skip
def test_legal_distances_hold(
    array: tuple[int, int, int], height: int, width: int, channels: int, kind: int, kernel: int, stride: int,
    phases: int, gap: int, tile_rows: int, backwards: bool,
) -> None:  # fmt: skip
    outputs = {0: channels, 1: channels, 2: 5, 3: 2 * channels}[kind]
    node: Node
    if kind == 0:
        node = MaxPool(
            name="pool", operator="MaxPool", input="in", output="out", kernel=(kernel, kernel), stride=(stride, stride),
            padding=(kernel // 2,) * 4,
        )  # fmt: skip
    else:
        node = convolution(channels, outputs, kernel, channels if kind in (1, 3) else 1, stride=(stride, stride))
    plan = plan_of(node, array, (height, width, channels), outputs, phases=phases, gap=gap, tile_rows=tile_rows)
    if backwards:
        plan = LayerPlan(**{**vars(plan), "tiles": plan.tiles[::-1]})
    for distance in legal_distances(plan, plan.input):
        assert holds(plan, distance), distance


@settings(max_examples=40, deadline=None)
@given(array=ARRAYS, extent=st.integers(3, 7), channels=st.integers(1, 7), dilation=st.integers(1, 2), tile_rows=st.integers(0, 2))
def test_legal_distances_hold_for_walked_rows(
    array: tuple[int, int, int], extent: int, channels: int, dilation: int, tile_rows: int
) -> None:
    node = replace(convolution(channels, channels, 2, channels), padding=(0,) * 4, dilation=(dilation, 1))
    source = MapLayout(p=array[0], m=array[1], height=extent, width=extent, channels=channels)
    target = MapLayout(p=array[0], m=array[1], height=extent - dilation, width=extent - 1, channels=channels)
    plan = plan_layer(node, source, target, array[2], tile_rows=tile_rows)
    assert plan.kernel_rows == (2 if all(run.words == 1 for run in plan.runs) else 1)
    for distance in legal_distances(plan, plan.input):
        assert holds(plan, distance), distance


def test_walked_rows_are_read_until_the_last_of_them() -> None:
    """A kernel of 3 x 1: row y is written over row y, or over one that lies further up."""
    node = replace(convolution(4, 4, 3, 4), weights=np.ones((4, 3, 1, 1), np.int8), padding=(0,) * 4)
    source = MapLayout(p=1, m=4, height=6, width=3, channels=4)
    plan = plan_layer(node, source, replace(source, height=4), 4)
    assert plan.kernel_rows == 3
    assert max(legal_distances(plan, source)) == 0


def test_a_pointwise_copy_may_stay_where_it_is() -> None:
    plan = plan_of(identity_convolution("copy", "in", "out", 6, 0), (2, 3, 3), (5, 4, 6), 6)
    assert 0 in legal_distances(plan, plan.input)


@pytest.mark.parametrize(("n", "rows"), [(4, 2), (2, 5)])
def test_depthwise_needs_two_rows_or_a_plane(n: int, rows: int) -> None:
    """With n of at least m each plane is read by one output group: row y is written when rows above y - 1 are dead. With
    less, every plane is read again until its last group."""
    plan = plan_of(convolution(8, 8, 3, 8), (1, 4, n), (5, 3, 8), 8)
    below = [distance for distance in legal_distances(plan, plan.input) if distance <= 0]
    assert max(below) == -rows * plan.input.line_words


def test_a_pointwise_layer_needs_tiles_and_gaps() -> None:
    node = convolution(8, 8, 1)
    whole = plan_of(node, (1, 4, 4), (6, 3, 8), 8, gap=2)
    tiled = plan_of(node, (1, 4, 4), (6, 3, 8), 8, gap=2, tile_rows=2)
    line = tiled.input.line_words
    assert -2 * line not in legal_distances(whole, whole.input)
    assert -2 * line in legal_distances(tiled, tiled.input)
    assert 2 * line not in legal_distances(tiled, tiled.input)
    upwards = LayerPlan(**{**vars(tiled), "tiles": tiled.tiles[::-1]})
    assert 2 * line in legal_distances(upwards, upwards.input)
    assert -line not in legal_distances(tiled, tiled.input)


def test_words_that_are_read_with_weights_of_zero_do_not_count() -> None:
    """With n = 5 and m = 3 the last group of 12 channels reads word 1 again, which it does not need. The second group
    makes planes 1 to 3 while it reads them, row by row, so the output lies two planes and two rows below."""
    plan = plan_of(convolution(12, 12, 3, 12), (1, 3, 5), (5, 3, 12), 12)
    assert max(distance for distance in legal_distances(plan, plan.input) if distance < 0) == -(2 * 15 + 2 * 3)
