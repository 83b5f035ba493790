"""Requantization solved exactly: integer parameters for each channel that equal the reference on every reachable sum.

The engine computes ``clamp((a * multiplier + offset) >> shift, low, high)`` on its accumulator ``a = sum(x * w)`` over raw
int8 inputs, without bias and zero point; padding holds the input's zero point. The reference accumulator is therefore
``a + bias - zero_point * sum(w)``, and the reference's output is a monotone staircase in it, as is the engine's. Two
monotone staircases are equal on a range if they are equal at both ends and on both sides of every step, so a channel
is a set of linear constraints in two integers for each shift:

- lower, at (a, k): ``a * multiplier + offset >= k << shift``
- upper, at (a, k): ``a * multiplier + offset < (k + 1) << shift``

For a given multiplier the best offset is the largest lower bound, and it must not exceed the smallest upper bound. If it
does, at lower point (a1, k1) and upper point (a2, k2), then subtracting the two constraints leaves one in the
multiplier alone, ``(a1 - a2) * multiplier >= (k1 - k2 - 1 << shift) + 1``, that the present multiplier breaks. With
a1 > a2 it gives a larger smallest multiplier; otherwise every larger multiplier breaks it too and the shift has no
solution. Starting at 0 this ends at the smallest multiplier of the shift or proves that there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macaw.hw.config import EngineConfig
from macaw.hw.errors import CheckFailed

from .graph import Convolution, Graph, MaxPool, Requantization
from .problem import ModelError, Problem

__all__ = [
    "CertifiedRequantization",
    "accumulator_width",
    "input_ranges",
    "reachable_accumulators",
    "requantize",
    "requantize_layer",
    "required_accumulator_width",
]

Int64Array = NDArray[np.int64]
SEARCH_SHIFTS = tuple(range(1, 63))
"""Shifts tried to tell how many multiplier bits a channel would need."""


@dataclass(frozen=True)
class CertifiedRequantization:
    """The engine's requantization parameters of one layer, equal to ``reference`` on the whole reachable range.

    Arrays have one entry for each output channel. ``shift_code`` indexes ``shifts``; ``low`` and ``high`` hold for the
    layer. ``accumulator_low`` and ``accumulator_high`` bound the reachable accumulators (without bias and zero point),
    ``constant`` turns one into the reference's accumulator by addition. ``accumulator_width`` is the number of bits, two's
    complement, that hold every partial sum of the layer in any order.
    """

    layer: str
    multiplier: Int64Array
    offset: Int64Array
    shift_code: Int64Array
    shifts: tuple[int, ...]
    low: int
    high: int
    accumulator_low: Int64Array
    accumulator_high: Int64Array
    accumulator_width: int
    constant: Int64Array
    reference: Requantization

    @property
    def shift(self) -> Int64Array:
        """The right shift of each channel."""
        return np.asarray(self.shifts, np.int64)[self.shift_code]

    def certify(self) -> None:
        """Check equality with the reference at both ends of the range and on both sides of every step of either
        staircase's reference; both are monotone, so this is equality on every reachable accumulator.

        Raises CheckFailed that names layer, channel and accumulator.
        """
        starts = _step_starts(self.reference, self.constant, self.accumulator_low, self.accumulator_high)
        low, high = self.accumulator_low[:, None], self.accumulator_high[:, None]
        points = np.clip(np.concatenate([starts, starts - 1, low, high], axis=1), low, high)
        channels = np.arange(len(points))[:, None]
        wanted = self.reference.outputs(points + self.constant[:, None], channels)
        exact = points.astype(object) * self.multiplier.astype(object)[:, None] + self.offset.astype(object)[:, None]
        shifted = np.right_shift(exact, self.shift.astype(object)[:, None])
        actual = np.clip(shifted, self.low, self.high).astype(np.int64)
        wrong = np.argwhere(actual != wanted)
        if len(wrong):
            channel, index = (int(i) for i in wrong[0])
            raise CheckFailed(
                f"Requantization of layer {self.layer!r}, channel {channel}: accumulator {int(points[channel, index])} gives "
                f"{int(actual[channel, index])}, the reference {int(wanted[channel, index])}."
            )


def input_ranges(graph: Graph) -> dict[str, tuple[int, int]]:
    """The smallest and largest value that each tensor of the graph can hold."""
    ranges = {graph.input: (-128, 127)}
    for node in graph.nodes:
        if isinstance(node, Convolution):
            ranges[node.output] = (node.requantization.low, node.requantization.high)
        elif isinstance(node, MaxPool):
            ranges[node.output] = ranges[node.input]
    return ranges


def reachable_accumulators(
    layer: Convolution, zero_point: int, input_range: tuple[int, int]
) -> tuple[Int64Array, Int64Array]:
    """For each channel the smallest and largest ``sum(x * w)`` over inputs in ``input_range``; with padding the zero
    point is a possible input everywhere."""
    low, high = _padded_range(layer, zero_point, input_range)
    weights = layer.weights.astype(np.int64).reshape(len(layer.weights), -1)
    positive, negative = np.maximum(weights, 0).sum(1), np.minimum(weights, 0).sum(1)
    return positive * low + negative * high, positive * high + negative * low


def accumulator_width(layer: Convolution, zero_point: int, input_range: tuple[int, int]) -> int:
    """Bits, two's complement, that hold every partial sum of the layer, whatever the order of its products.

    A partial sum is at least the sum of all negative worst-case products and at most that of all positive ones.
    """
    low, high = _padded_range(layer, zero_point, input_range)
    weights = layer.weights.astype(np.int64).reshape(len(layer.weights), -1)
    products = np.stack([weights * low, weights * high])
    smallest = int(np.minimum(products.min(0), 0).sum(1).min(initial=0))
    largest = int(np.maximum(products.max(0), 0).sum(1).max(initial=0))
    return max((-smallest - 1).bit_length() if smallest < 0 else 0, largest.bit_length()) + 1


def required_accumulator_width(graph: Graph) -> int:
    """The accumulator width that an engine needs for every layer of a graph."""
    ranges = input_ranges(graph)
    return max(
        (
            accumulator_width(node, graph.tensors[node.input].zero_point, ranges[node.input])
            for node in graph.nodes
            if isinstance(node, Convolution)
        ),
        default=1,
    )


def requantize(graph: Graph, config: EngineConfig) -> dict[str, CertifiedRequantization]:
    """Solve and certify the requantization of every convolution of a graph, by the name of its output tensor.

    Raises ModelError with a problem for each layer that has channels without a solution or sums that are too wide.
    """
    ranges = input_ranges(graph)
    solved: dict[str, CertifiedRequantization] = {}
    problems: list[Problem] = []
    for node in graph.nodes:
        if not isinstance(node, Convolution):
            continue
        try:
            certified = requantize_layer(node, graph.tensors[node.input].zero_point, ranges[node.input], config)
        except ModelError as error:
            problems += error.problems
            continue
        certified.certify()
        solved[node.output] = certified
    if problems:
        raise ModelError(problems)
    return solved


def requantize_layer(
    layer: Convolution, zero_point: int, input_range: tuple[int, int], config: EngineConfig
) -> CertifiedRequantization:
    """Solve one layer whose input has this zero point and range: for each channel the smallest shift, then the smallest
    multiplier, that equal the reference. Raises ModelError that names the first channels without a solution."""
    rule = layer.requantization
    shape = f"weights {'x'.join(map(str, layer.weights.shape))}"
    width = accumulator_width(layer, zero_point, input_range)
    if width > config.accumulator_width:
        raise ModelError(
            [
                Problem(
                    layer.name,
                    layer.operator,
                    shape,
                    f"its sums need accumulators of {width} bits, the engine has {config.accumulator_width}",
                    f"use an engine with accumulator_width {width}",
                )
            ]
        )
    low, high = reachable_accumulators(layer, zero_point, input_range)
    weight_sums = layer.weights.astype(np.int64).reshape(len(layer.weights), -1).sum(1)
    constant = layer.bias.astype(np.int64) - zero_point * weight_sums
    staircase = _Staircase(rule, constant, low, high)
    channels = len(low)
    multiplier, offset = np.zeros(channels, np.int64), np.zeros(channels, np.int64)
    code = np.full(channels, -1, np.int64)
    for index, shift in enumerate(config.shifts):
        open_channels = np.flatnonzero(code < 0)
        if open_channels.size == 0:
            break
        found, multipliers, offsets = staircase.solve(
            open_channels, shift, 2**config.multiplier_width, 2 ** (config.offset_width - 1)
        )
        chosen = open_channels[found]
        multiplier[chosen], offset[chosen], code[chosen] = multipliers[found], offsets[found], index
    unsolved = np.flatnonzero(code < 0)
    if unsolved.size:
        raise ModelError([_unsolved(layer, shape, staircase, unsolved, config)])
    return CertifiedRequantization(
        layer=layer.name,
        multiplier=multiplier,
        offset=offset,
        shift_code=code,
        shifts=config.shifts,
        low=rule.low,
        high=rule.high,
        accumulator_low=low,
        accumulator_high=high,
        accumulator_width=width,
        constant=constant,
        reference=rule,
    )


def _padded_range(layer: Convolution, zero_point: int, input_range: tuple[int, int]) -> tuple[int, int]:
    low, high = input_range
    if any(layer.padding):
        return min(low, zero_point), max(high, zero_point)
    return low, high


def _unsolved(
    layer: Convolution, shape: str, staircase: _Staircase, channels: Int64Array, config: EngineConfig
) -> Problem:
    needs = []
    for channel in channels[:4]:
        smallest = (0, 0)
        for shift in SEARCH_SHIFTS:
            found, multipliers, _ = staircase.solve(np.array([channel]), shift, 2**62, 2**110)
            if found[0]:
                smallest = (int(multipliers[0]).bit_length(), shift)
                break
        needs.append(
            f"channel {channel} needs a multiplier of {smallest[0]} bits with shift {smallest[1]}"
            if smallest != (0, 0)
            else f"channel {channel} has none of at most 62 bits"
        )
    more = f" and {channels.size - 4} more channels" if channels.size > 4 else ""
    return Problem(
        layer.name,
        layer.operator,
        shape,
        f"no exact requantization with multiplier_width {config.multiplier_width} and shifts {config.shifts}: "
        f"{', '.join(needs)}{more}",
        "use an engine with a wider multiplier_width or another set of shifts",
    )


def _step_starts(
    rule: Requantization, constant: Int64Array, low: Int64Array, high: Int64Array
) -> Int64Array:
    """For each channel and each output level k in rule.low + 1 .. rule.high the first accumulator in low..high whose
    output is at least k, or high + 1 if there is none. Binary search on the reference itself, all levels at once."""
    levels = np.arange(rule.low + 1, rule.high + 1, dtype=np.int64)
    first = np.broadcast_to(low[:, None], (len(low), len(levels))).copy()
    last = np.broadcast_to(high[:, None] + 1, first.shape).copy()
    channels = np.broadcast_to(np.arange(len(low))[:, None], first.shape)
    while True:
        undecided = first < last
        if not undecided.any():
            return first
        middle = (first + last) >> 1
        # A decided entry may have middle = high + 1; its result is not used.
        reached = rule.outputs(middle + constant[:, None], channels) >= levels
        last = np.where(undecided & reached, middle, last)
        first = np.where(undecided & ~reached, middle + 1, first)


class _Staircase:
    """The reference's steps of every channel of a layer as the points of lower and upper constraints.

    ``lower[c, i]`` is an accumulator whose output must reach ``levels[i]``, ``upper[c, i]`` one whose output must stay
    below ``levels[i] + 1``; the masks tell which of them constrain. Column 0 holds the ends of the range, the others the
    two sides of each step.
    """

    def __init__(self, rule: Requantization, constant: Int64Array, low: Int64Array, high: Int64Array) -> None:
        channels = np.arange(len(low))
        starts = _step_starts(rule, constant, low, high)
        first, last = rule.outputs(low + constant, channels), rule.outputs(high + constant, channels)
        levels = np.arange(rule.low + 1, rule.high + 1, dtype=np.int64)
        inside = (levels > first[:, None]) & (levels <= last[:, None])
        self.lower = np.concatenate([low[:, None], starts], axis=1)
        self.upper = np.concatenate([high[:, None], starts - 1], axis=1)
        every = np.broadcast_to(levels, starts.shape)
        self.lower_level = np.concatenate([first[:, None], every], axis=1)
        self.upper_level = np.concatenate([last[:, None], every - 1], axis=1)
        self.lower_mask = np.concatenate([(first > rule.low)[:, None], inside], axis=1)
        self.upper_mask = np.concatenate([(last < rule.high)[:, None], inside], axis=1)
        self.low, self.high = low, high

    def solve(
        self, channels: Int64Array, shift: int, multiplier_limit: int, offset_limit: int
    ) -> tuple[NDArray[np.bool_], NDArray[Any], NDArray[Any]]:
        """The smallest multiplier below its limit for each of the channels at this shift, and the smallest offset for it,
        with offset and sum in -offset_limit .. offset_limit - 1.

        Returns whether there is one, the multipliers and the offsets.
        """
        low, high = self.low[channels], self.high[channels]
        magnitude = max(int(np.abs(low).max(initial=0)), int(np.abs(high).max(initial=0))) + 1
        bound = magnitude * multiplier_limit + (129 << shift)
        kind: Any = np.int64 if bound < 2**62 else object
        lower, upper = self.lower[channels].astype(kind), self.upper[channels].astype(kind)
        one = np.array(1, kind)
        lower_bound = self.lower_level[channels].astype(kind) * (one << shift)
        upper_bound = (self.upper_level[channels].astype(kind) + one) * (one << shift) - one
        beyond = bound + 1 if kind is object else np.iinfo(np.int64).max  # looser than every constraint
        lower_mask, upper_mask = self.lower_mask[channels], self.upper_mask[channels]
        multipliers = np.zeros(len(channels), kind)
        offsets = np.zeros(len(channels), kind)
        found = np.zeros(len(channels), bool)
        pending = np.arange(len(channels))
        while pending.size:
            factor = multipliers[pending][:, None]
            least = np.where(lower_mask[pending], lower_bound[pending] - lower[pending] * factor, -beyond)
            most = np.where(upper_mask[pending], upper_bound[pending] - upper[pending] * factor, beyond)
            i, j = least.argmax(1), most.argmin(1)
            row = np.arange(pending.size)
            smallest, largest = least[row, i], most[row, j]
            done = smallest <= largest
            unbounded = smallest == -beyond
            offsets[pending[done]] = np.where(unbounded, np.where(largest == beyond, 0, largest), smallest)[done]
            found[pending[done]] = True
            # The pair (i, j) is broken: (lower - upper) * multiplier >= lower_bound - upper_bound in its place.
            run = lower[pending][row, i] - upper[pending][row, j]
            rise = lower_bound[pending][row, i] - upper_bound[pending][row, j]
            climbs = ~done & (run > 0)
            needed = -((-rise) // np.where(climbs, run, one))
            climbs &= needed < multiplier_limit
            multipliers[pending[climbs]] = needed[climbs]
            pending = pending[climbs]
        ends = np.stack([offsets, offsets + low.astype(kind) * multipliers, offsets + high.astype(kind) * multipliers])
        found &= ((ends >= -offset_limit) & (ends < offset_limit)).all(0)
        return found, multipliers, offsets
