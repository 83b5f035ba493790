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

Some channels have no solution at any width: where float32 rounds several products to exact halves, half-to-even sends
them up and down in turn, and no straight line does. Such a channel gets the line that differs for the fewest
accumulators, by one output step each; every one of them is counted and named (``differences``), or refused (``strict``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..hw.config import EngineConfig
from ..hw.errors import CheckFailed
from .graph import Convolution, Deviation, Graph, MaxPool
from .problem import ModelError, Problem
from .requantization import Requantization

__all__ = [
    "CertifiedRequantization",
    "Difference",
    "accumulator_width",
    "deviations",
    "input_ranges",
    "reachable_accumulators",
    "requantize",
    "requantize_layer",
    "requantizer_parameters",
    "required_accumulator_width",
]

Int64Array = NDArray[np.int64]
WIDEST_MULTIPLIER, LARGEST_SHIFT = 34, 48
"""The widest requantizer that :class:`EngineConfig` allows."""

SLOPES = 64
"""Multipliers tried on each side of the reference's slope for a channel without an exact solution."""

DIFFERENCE_LIMIT = 4
"""A channel may differ from the reference for one in this many of its reachable accumulators; otherwise it is refused."""


@dataclass(frozen=True)
class Difference:
    """An accumulator of a channel (without bias and zero point) for which engine and reference differ."""

    channel: int
    accumulator: int
    engine: int
    reference: int


@dataclass(frozen=True)
class CertifiedRequantization:
    """The engine's requantization parameters of one layer, equal to ``reference`` on the whole reachable range but for
    the accumulators that ``difference_count`` counts for each channel (0: exact) and :meth:`differences` lists.

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
    difference_count: Int64Array

    @property
    def shift(self) -> Int64Array:
        """The right shift of each channel."""
        return np.asarray(self.shifts, np.int64)[self.shift_code]

    @property
    def exact(self) -> bool:
        """Whether every channel equals the reference on its whole reachable range."""
        return not self.difference_count.any()

    def certify(self) -> None:
        """Check from scratch that engine and reference differ for exactly the counted accumulators, by one step each.

        Both are monotone, so the engine's outputs on both sides of each of its steps, the reference's on both sides of
        each of its own and both at the ends of the range decide about every reachable accumulator.
        Raises CheckFailed that names layer and channel.
        """
        starts = _step_starts(self.reference, self.constant, self.accumulator_low, self.accumulator_high)
        own = _line_starts(self, self.reference)
        low, high = self.accumulator_low[:, None], self.accumulator_high[:, None]
        channels = np.arange(len(low))[:, None]
        levels = np.arange(self.reference.low + 1, self.reference.high + 1)
        count = np.abs(own - starts).sum(1)
        ok = (self.low == self.reference.low) & (self.high == self.reference.high) & (count == self.difference_count)
        for first, outputs in (
            (starts, lambda a: self.reference.outputs(a + self.constant[:, None], channels)),
            (own, self._outputs),
        ):
            ok &= ((outputs(np.minimum(first, high)) >= levels) | (first > high)).all(1)
            ok &= ((outputs(np.maximum(first - 1, low)) < levels) | (first <= low)).all(1)
        # Where the engine's step lies elsewhere, the outputs between differ by one step, not more.
        for points in (np.clip(np.minimum(own, starts), low, high), np.clip(np.maximum(own, starts) - 1, low, high)):
            wanted = self.reference.outputs(points + self.constant[:, None], channels)
            ok &= (np.abs(self._outputs(points) - wanted) <= (own != starts)).all(1)
        if not ok.all():
            raise CheckFailed(
                f"Requantization of layer {self.layer!r}, channel {int(np.argmin(ok))}: engine and reference differ for other "
                "accumulators than the solver found."
            )

    def differences(self) -> list[Difference]:
        """Every reachable accumulator for which engine and reference differ."""
        result = []
        starts = _step_starts(self.reference, self.constant, self.accumulator_low, self.accumulator_high)
        own = _line_starts(self, self.reference)
        for channel in np.flatnonzero(self.difference_count):
            first, last = np.minimum(own, starts)[channel], np.maximum(own, starts)[channel]
            points = sorted({a for i in np.flatnonzero(first < last) for a in range(int(first[i]), int(last[i]))})
            wanted = self.reference.outputs(np.array(points) + self.constant[channel], int(channel))
            for a, reference in zip(points, wanted, strict=True):
                value = (a * int(self.multiplier[channel]) + int(self.offset[channel])) >> int(self.shift[channel])
                engine = min(max(value, self.low), self.high)
                result.append(Difference(int(channel), a, engine, int(reference)))
        return result

    def _outputs(self, accumulators: Int64Array) -> Int64Array:
        """The engine's outputs for (channels, points) accumulators, in Python's integers."""
        sums = (
            accumulators.astype(object) * self.multiplier.astype(object)[:, None] + self.offset.astype(object)[:, None]
        )
        shifted = np.right_shift(sums, self.shift.astype(object)[:, None])
        return np.clip(shifted, self.low, self.high).astype(np.int64)


def deviations(graph: Graph, certified: dict[str, CertifiedRequantization]) -> list[Deviation]:
    """Where the engine may differ from the source model: the graph's own deviations and those of inexact channels."""
    result = list(graph.deviations)
    for node in graph.nodes:
        rule = certified.get(node.output)
        if rule is None or rule.exact:
            continue
        channels = np.flatnonzero(rule.difference_count)
        total = int((rule.accumulator_high - rule.accumulator_low + 1)[channels].sum())
        reason = (
            f"float32 ties: {int(rule.difference_count.sum())} of the {total} reachable sums of "
            f"{'channel' if channels.size == 1 else f'{channels.size} channels:'} "
            f"{', '.join(map(str, channels[:8]))}{' ...' if channels.size > 8 else ''} round the other way"
        )
        result.append(Deviation(node=node.name, operator=node.operator, steps=1, reason=reason))
    return result


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


def requantize(graph: Graph, config: EngineConfig, *, strict: bool = False) -> dict[str, CertifiedRequantization]:
    """Solve and certify the requantization of every convolution of a graph, by the name of its output tensor.

    A channel without an exact solution at any width gets the nearest one, which :func:`deviations` reports; with
    ``strict`` it is a problem. Raises ModelError with a problem for each layer that has channels without a solution at
    this width, or sums that are too wide.
    """
    ranges = input_ranges(graph)
    solved: dict[str, CertifiedRequantization] = {}
    problems: list[Problem] = []
    for node in graph.nodes:
        if not isinstance(node, Convolution):
            continue
        try:
            certified = requantize_layer(node, graph.tensors[node.input].zero_point, ranges[node.input], config, strict)
        except ModelError as error:
            problems += error.problems
            continue
        certified.certify()
        solved[node.output] = certified
    if problems:
        raise ModelError(problems)
    return solved


def requantize_layer(
    layer: Convolution, zero_point: int, input_range: tuple[int, int], config: EngineConfig, strict: bool = False
) -> CertifiedRequantization:
    """Solve one layer whose input has this zero point and range: for each channel the smallest shift, then the smallest
    multiplier, that equal the reference, or come nearest if none can and ``strict`` is not set.
    Raises ModelError that names the first channels without a solution."""
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
    constant = _constant(layer, zero_point)
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
    count = np.zeros(channels, np.int64)
    open_channels = np.flatnonzero(code < 0)
    unsolved = []
    for channel, bits in zip(open_channels.tolist(), staircase.multiplier_bits(open_channels), strict=True):
        solvable = bits <= WIDEST_MULTIPLIER
        nearest = None if strict or solvable.any() else staircase.nearest(channel, config)
        if nearest is None:
            shift = int(bits.argmin())
            unsolved.append((channel, (int(bits[shift]), shift) if solvable.any() else None))
        else:
            multiplier[channel], offset[channel], code[channel], count[channel] = nearest
    if unsolved:
        raise ModelError([_unsolved(layer, shape, unsolved, config)])
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
        difference_count=count,
    )


def requantizer_parameters(graph: Graph) -> tuple[int, tuple[int, int, int, int]]:
    """The smallest multiplier_width, and four shifts for it, that solve every channel of a graph that can be solved and
    give the others slopes as fine as float32's own rounding."""
    ranges = input_ranges(graph)
    tables = [np.zeros((0, LARGEST_SHIFT + 1), np.int64)]
    for node in graph.nodes:
        if isinstance(node, Convolution):
            zero_point = graph.tensors[node.input].zero_point
            low, high = reachable_accumulators(node, zero_point, ranges[node.input])
            staircase = _Staircase(node.requantization, _constant(node, zero_point), low, high)
            bits = staircase.multiplier_bits(np.arange(len(low)))
            unsolved = (bits > WIDEST_MULTIPLIER).all(1)
            bits[unsolved] = _slope_bits(node.requantization.slope[unsolved])
            tables.append(bits)
    bits = np.concatenate(tables)
    bits = bits[(bits <= WIDEST_MULTIPLIER).any(1)]
    for width in range(8, WIDEST_MULTIPLIER + 1):
        shifts = _covering_shifts(bits <= width)
        if shifts is not None:
            return width, shifts
    return WIDEST_MULTIPLIER, EngineConfig(p=1, m=1, n=1).shifts


def _slope_bits(slope: NDArray[np.float64]) -> Int64Array:
    """Bits of the multipliers around each slope (row) at each shift (column), if they have the 24 bits of float32."""
    slopes = np.rint(np.ldexp(slope[:, None], np.arange(LARGEST_SHIFT + 1))) + SLOPES
    bits = np.floor(np.log2(slopes)).astype(np.int64) + 1
    return np.where((bits >= 24) & (bits <= WIDEST_MULTIPLIER), bits, WIDEST_MULTIPLIER + 1)


def _covering_shifts(allowed: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Four shifts of which every channel (row) allows one, or None.

    A channel allows the shifts of an interval (enough precision .. multiplier still narrow enough), nearly always: take
    the largest shift of the channel that ends first, leave out all channels it serves, and so on.
    """
    if not allowed.any(1).all():
        return None
    largest = allowed.shape[1] - 1 - allowed[:, ::-1].argmax(1)
    chosen: list[int] = []
    rest = np.ones(len(allowed), bool)
    while rest.any():
        shift = int(largest[rest].min())
        chosen.append(shift)
        rest &= ~allowed[:, shift]
    if len(chosen) > 4:
        return None
    # The engine has four different shifts: unused places hold the neighbours of the smallest, or the largest there are.
    below = range(min(chosen, default=24) - 1, 0, -1)
    for shift in (*below, *range(allowed.shape[1] - 1, 0, -1)):
        if len(chosen) < 4 and shift not in chosen:
            chosen.append(shift)
    first, second, third, fourth = sorted(chosen)
    return first, second, third, fourth


def _constant(layer: Convolution, zero_point: int) -> Int64Array:
    """What turns the engine's accumulator into the reference's, for each channel."""
    weight_sums = layer.weights.astype(np.int64).reshape(len(layer.weights), -1).sum(1)
    return layer.bias.astype(np.int64) - zero_point * weight_sums


def _padded_range(layer: Convolution, zero_point: int, input_range: tuple[int, int]) -> tuple[int, int]:
    low, high = input_range
    if any(layer.padding):
        return min(low, zero_point), max(high, zero_point)
    return low, high


def _unsolved(
    layer: Convolution, shape: str, channels: list[tuple[int, tuple[int, int] | None]], config: EngineConfig
) -> Problem:
    needs = [
        f"channel {channel} needs a multiplier of {needed[0]} bits with shift {needed[1]}"
        if needed
        else f"channel {channel} has no exact one of up to {WIDEST_MULTIPLIER} bits"
        for channel, needed in channels[:4]
    ]
    more = f" and {len(channels) - 4} more channels" if len(channels) > 4 else ""
    return Problem(
        layer.name,
        layer.operator,
        shape,
        f"no exact requantization with multiplier_width {config.multiplier_width} and shifts {config.shifts}: "
        f"{', '.join(needs)}{more}",
        "use an engine with a wider multiplier_width or other shifts, or calibrate the model's output scales again",
    )


def _line_starts(rule: CertifiedRequantization, reference: Requantization) -> Int64Array:
    """For each channel and level the first accumulator of the range at which the engine's line reaches the level, or
    accumulator_high + 1: ``ceil(((level << shift) - offset) / multiplier)``."""
    levels = np.arange(reference.low + 1, reference.high + 1).astype(object)[None, :]
    heights = levels * (2 ** rule.shift.astype(object))[:, None] - rule.offset.astype(object)[:, None]
    low, high = rule.accumulator_low[:, None], rule.accumulator_high[:, None]
    slope = rule.multiplier.astype(object)[:, None]
    flat = np.where(heights <= 0, low, high + 1)
    return np.where(slope == 0, flat, np.clip(-(-heights // np.maximum(slope, 1)), low, high + 1)).astype(np.int64)


def _step_starts(rule: Requantization, constant: Int64Array, low: Int64Array, high: Int64Array) -> Int64Array:
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
        self.low, self.high, self.slope, self.starts, self.levels = low, high, rule.slope, starts, levels

    def solve(
        self, channels: Int64Array, shift: int, multiplier_limit: int, offset_limit: int
    ) -> tuple[NDArray[np.bool_], NDArray[Any], NDArray[Any]]:
        """The smallest multiplier below its limit for each of the channels at this shift, and the smallest offset for it,
        with offset and sum in -offset_limit .. offset_limit - 1.

        Returns whether there is one, the multipliers and the offsets.
        """
        low, high = self.low[channels], self.high[channels]
        bound = self._bound(channels, shift, multiplier_limit)
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

    def multiplier_bits(self, channels: Int64Array) -> Int64Array:
        """Bits of the smallest exact multiplier for each of the channels (row) and shift (column 0 .. LARGEST_SHIFT);
        WIDEST_MULTIPLIER + 1 where there is none that an engine can have."""
        bits = np.full((len(channels), LARGEST_SHIFT + 1), WIDEST_MULTIPLIER + 1, np.int64)
        for shift in range(1, LARGEST_SHIFT + 1):
            # The multiplier is about scale << shift; a constant channel has multiplier 0 at every shift.
            rows = np.flatnonzero(self.slope[channels].astype(np.float64) * 2.0**shift < 2.0**WIDEST_MULTIPLIER)
            found, multipliers, _ = self.solve(channels[rows], shift, 2**WIDEST_MULTIPLIER, 2**126)
            bits[rows[found], shift] = [int(multiplier).bit_length() for multiplier in multipliers[found]]
        return bits

    def nearest(self, channel: int, config: EngineConfig) -> tuple[int, int, int, int] | None:
        """Multiplier, offset, shift code and number of differing accumulators of the line that differs for the fewest,
        at the largest shift that the engine's multiplier allows and slopes around the reference's."""
        scale, high = float(self.slope[channel]), int(self.high[channel])
        fitting = [i for i, s in enumerate(config.shifts) if scale * 2.0**s + SLOPES < 2**config.multiplier_width]
        if not fitting:
            return None
        code = fitting[-1]
        shift = config.shifts[code]
        if self._bound(np.array([channel]), shift, 2**config.multiplier_width) >= 2**62:
            return None
        # A step at accumulator a to level k is right for offsets from (k << shift) - a * slope, and one slope further it
        # would be too early: the best offset lies in the most of these intervals.
        masked = self.lower_mask[channel]
        start, level = self.lower[channel][masked], self.lower_level[channel][masked] << shift
        best: tuple[int, int, int, int] | None = None
        centre = round(scale * 2.0**shift)
        limit = 2 ** (config.offset_width - 1)
        for slope in sorted(range(max(centre - SLOPES, 1), centre + SLOPES + 1), key=lambda m: abs(m - centre)):
            first = np.sort(level - start * slope)
            offsets = np.concatenate([first, first + slope - 1])
            right = np.searchsorted(first, offsets, "right") - np.searchsorted(first + slope, offsets, "right")
            index = int(right.argmax())
            offset = int(offsets[index])
            ends = (offset, offset + int(self.low[channel]) * slope, offset + high * slope)
            if (best is None or right[index] > best[3]) and all(-limit <= end < limit for end in ends):
                best = (slope, offset, code, int(right[index]))
        if best is None:
            return None
        slope, offset, code, _ = best
        low = int(self.low[channel])
        own = np.clip(-((offset - (self.levels << shift)) // slope), low, high + 1)
        count = int(np.abs(own - self.starts[channel]).sum())
        return (slope, offset, code, count) if count * DIFFERENCE_LIMIT <= high + 1 - low else None

    def _bound(self, channels: Int64Array, shift: int, multiplier_limit: int) -> int:
        """A bound on every number that the constraints of these channels can take."""
        low, high = self.low[channels], self.high[channels]
        magnitude = max(int(np.abs(low).max(initial=0)), int(np.abs(high).max(initial=0))) + 1
        return magnitude * multiplier_limit + (129 << shift)
