"""Requantization of one layer, solved: what its sums can be, and each channel's parameters.

The engine's accumulator is ``a = sum(x * w)`` over raw int8 inputs, without bias and zero point; padding holds the input's
zero point. The reference accumulator is therefore ``a + bias - zero_point * sum(w)``. Where values and weights are all
-1 or 1 (product ``binaryxbinary``), a is the number of equal pairs, of N, and the sum ``2 * a - N``.

A layer is solved without nudge if every channel has a line. TensorFlow Lite Micro's second rounding, symmetric around the
zero point, leaves channels without one where outputs lie on both sides of it: then the whole layer is solved with the
nudge, its pivot the zero point.

Some channels have no solution either way: where float32 rounds several products to exact halves, half-to-even sends them
up and down in turn. Such a channel gets the line that differs for the fewest accumulators, by one output step each;
every one of them is counted and named (``differences``), or refused (``strict``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..hw.config import EngineConfig
from ..hw.products import PRODUCTS
from .certified_requantization import CertifiedRequantization
from .graph import Convolution
from .line_solver import LARGEST_SHIFT, WIDEST_MULTIPLIER, LineSolver
from .nearest_line import nearest_line
from .packed_weights import layer_surplus
from .problem import ModelError, Problem
from .requantization import BytePlanes, CountRequantization, Requantization, ThresholdRequantization
from .staircase import Staircase, staircase

__all__ = [
    "accumulator_width",
    "byte_multipliers",
    "layer_staircase",
    "natural_fraction",
    "nudged_bits",
    "reachable_accumulators",
    "requantize_layer",
]

Int64Array = NDArray[np.int64]

FRACTIONS = 5
"""Fractions tried for the nudge, from the slope's own on: finer ones do for references that only tell ties apart."""


def _counts(layer: Convolution) -> bool:
    """Whether the engine counts equal pairs."""
    return PRODUCTS[layer.product].counts


def _reference(layer: Convolution, zero_point: int) -> tuple[Requantization, Int64Array]:
    """The layer's output as a function of the engine's accumulator plus a constant for each channel."""
    weights = layer.weights.astype(np.int64).reshape(len(layer.weights), -1)
    constant = layer.bias.astype(np.int64) - zero_point * weights.sum(1)
    if _counts(layer):
        of_sums = CountRequantization(
            of=layer.requantization, constant=constant - weights.shape[1], zero_point=layer.requantization.zero_point,
            low=layer.requantization.low, high=layer.requantization.high,
        )  # fmt: skip
        return of_sums, np.zeros_like(constant)
    return layer.requantization, constant


def _padded_range(layer: Convolution, zero_point: int, input_range: tuple[int, int]) -> tuple[int, int]:
    low, high = input_range
    if any(layer.padding):
        return min(low, zero_point), max(high, zero_point)
    return low, high


def reachable_accumulators(
    layer: Convolution, zero_point: int, input_range: tuple[int, int]
) -> tuple[Int64Array, Int64Array]:
    """For each channel the smallest and largest ``sum(x * w)`` over inputs in ``input_range``; with padding the zero
    point is a possible input everywhere."""
    low, high = _padded_range(layer, zero_point, input_range)
    weights = layer.weights.astype(np.int64).reshape(len(layer.weights), -1)
    if _counts(layer):
        return np.zeros(len(weights), np.int64), np.full(len(weights), weights.shape[1])
    positive, negative = np.maximum(weights, 0).sum(1), np.minimum(weights, 0).sum(1)
    return positive * low + negative * high, positive * high + negative * low


def accumulator_width(
    layer: Convolution, zero_point: int, input_range: tuple[int, int], *, paired: bool = False
) -> int:
    """Bits, two's complement, that hold every partial sum of the layer, whatever the order of its products; with
    ``paired`` also its sums with their surplus (partial ones may wrap).

    A partial sum is at least the sum of all negative worst-case products and at most that of all positive ones.
    """
    if paired:
        more = layer_surplus(layer.weights, PRODUCTS[layer.product])
        least, most = reachable_accumulators(layer, zero_point, input_range)
        ends = int((least + more).min()), int((most + more).max())
        widest = max(ends[1], -1 - ends[0]).bit_length() + 1
        return max(widest, accumulator_width(layer, zero_point, input_range))
    low, high = _padded_range(layer, zero_point, input_range)
    weights = layer.weights.astype(np.int64).reshape(len(layer.weights), -1)
    if _counts(layer):
        return weights.shape[1].bit_length() + 1
    products = np.stack([weights * low, weights * high])
    smallest = int(np.minimum(products.min(0), 0).sum(1).min(initial=0))
    largest = int(np.maximum(products.max(0), 0).sum(1).max(initial=0))
    return max((-smallest - 1).bit_length() if smallest < 0 else 0, largest.bit_length()) + 1


def layer_staircase(layer: Convolution, zero_point: int, input_range: tuple[int, int]) -> Staircase:
    """The reference's steps over the accumulators that the layer can reach."""
    low, high = reachable_accumulators(layer, zero_point, input_range)
    return staircase(*_reference(layer, zero_point), low, high)


def natural_fraction(slope: NDArray[np.float64]) -> Int64Array:
    """For each slope the coarsest fraction that comes into question: TensorFlow Lite's right shift, whose last bit its second
    rounding looks at, for a multiplier of 30 bits. That is what MEAN may have, which divides its multiplier by the count;
    others have 31 bits, which is the next fraction."""
    return np.ceil(-np.log2(np.maximum(slope, 2.0**-60))).astype(np.int64) - 2


def nudged_bits(stairs: Staircase, pivot: int) -> dict[int, Int64Array] | None:
    """For each fraction that comes into question :meth:`LineSolver.multiplier_bits` of all channels with the nudge; None
    if a channel has no solution with any."""
    natural = natural_fraction(stairs.slope)
    candidates = natural[:, None] + np.arange(FRACTIONS)
    bits: dict[int, Int64Array] = {}
    solved = np.zeros(len(natural), bool)
    for fraction in np.unique(candidates[(candidates >= 1) & (candidates < LARGEST_SHIFT)]).tolist():
        rows = np.flatnonzero((candidates == fraction).any(1))
        table = np.full((len(natural), LARGEST_SHIFT + 1), WIDEST_MULTIPLIER + 1, np.int64)
        table[rows] = LineSolver(stairs.take(rows), pivot, fraction).multiplier_bits(np.arange(len(rows)))
        bits[fraction] = table
        solved |= (table <= WIDEST_MULTIPLIER).any(1)
    return bits if solved.all() else None


@dataclass
class _Parameters:
    """Parameters of the channels found so far; ``code`` -1 where there are none yet."""

    multiplier: Int64Array
    offset: Int64Array
    code: Int64Array

    @classmethod
    def none(cls, channels: int) -> _Parameters:
        return cls(np.zeros(channels, np.int64), np.zeros(channels, np.int64), np.full(channels, -1, np.int64))

    @property
    def open(self) -> Int64Array:
        return np.flatnonzero(self.code < 0)

    def solve(self, solver: LineSolver, channels: Int64Array, code: int, config: EngineConfig) -> None:
        """Solves some of the solver's channels, which are all of the layer's, at one shift."""
        found, multipliers, offsets = solver.solve(
            channels, config.shifts[code], 2**config.multiplier_width, 2 ** (config.offset_width - 1)
        )
        chosen = channels[found]
        self.multiplier[chosen], self.offset[chosen], self.code[chosen] = multipliers[found], offsets[found], code


def _nudged(stairs: Staircase, pivot: int, config: EngineConfig) -> _Parameters | None:
    """The parameters of a layer that the engine's nudge solves as a whole."""
    result = _Parameters.none(len(stairs.low))
    natural = natural_fraction(stairs.slope)
    for code, shift in enumerate(config.shifts):
        fraction = shift - config.nudge
        rows = result.open[(natural[result.open] <= fraction) & (fraction < natural[result.open] + FRACTIONS)]
        if fraction < 1 or rows.size == 0:
            continue
        part = _Parameters.none(len(rows))
        part.solve(LineSolver(stairs.take(rows), pivot, fraction), np.arange(len(rows)), code, config)
        solved = part.code >= 0
        result.multiplier[rows[solved]] = part.multiplier[solved]
        result.offset[rows[solved]] = part.offset[solved]
        result.code[rows[solved]] = code
    return result if result.open.size == 0 else None


def requantize_layer(
    layer: Convolution, zero_point: int, input_range: tuple[int, int], config: EngineConfig, strict: bool = False
) -> CertifiedRequantization:
    """Solve one layer whose input has this zero point and range: for each channel the smallest shift, then the smallest
    multiplier, that equal the reference, or come nearest if none can and ``strict`` is not set.
    Raises ModelError that names the first channels without a solution."""
    rule, constant = _reference(layer, zero_point)
    width = accumulator_width(layer, zero_point, input_range, paired=layer.product in config.paired_products)
    if width > config.accumulator_width:
        raise ModelError(
            [
                _problem(
                    layer,
                    f"its sums need accumulators of {width} bits, the engine has {config.accumulator_width}",
                    f"use an engine with accumulator_width {width}",
                )
            ]
        )
    if rule.wraps:
        return _bytes_of_sums(layer, zero_point, input_range, config)
    stairs = layer_staircase(layer, zero_point, input_range)
    channels = len(stairs.low)
    result, pivot = _Parameters.none(channels), -128
    plain = LineSolver(stairs)
    for code in range(len(config.shifts)):
        if result.open.size:
            result.solve(plain, result.open, code, config)
    if result.open.size and config.nudge and (nudged := _nudged(stairs, rule.zero_point, config)):
        result, pivot = nudged, rule.zero_point
    count = np.zeros(channels, np.int64)
    unsolved = []
    # Few bits: a step more or less is no rounding error there.
    thresholds = isinstance(layer.requantization, ThresholdRequantization)
    open_channels = result.open
    for channel, bits in zip(open_channels.tolist(), plain.multiplier_bits(open_channels), strict=True):
        solvable = bits <= WIDEST_MULTIPLIER
        nearest = None if strict or thresholds or solvable.any() else nearest_line(stairs, channel, config)
        if nearest is None:
            shift = int(bits.argmin())
            unsolved.append((channel, (int(bits[shift]), shift) if solvable.any() else None))
        else:
            result.multiplier[channel], result.offset[channel] = nearest.multiplier, nearest.offset
            result.code[channel], count[channel] = nearest.shift_code, nearest.difference_count
    if unsolved:
        raise ModelError([_unsolved(layer, unsolved, config)])
    return CertifiedRequantization(
        layer=layer.name,
        multiplier=result.multiplier,
        offset=result.offset,
        shift_code=result.code,
        shifts=config.shifts,
        low=rule.low,
        high=rule.high,
        pivot=pivot,
        nudge=config.nudge,
        accumulator_low=stairs.low,
        accumulator_high=stairs.high,
        accumulator_width=width,
        constant=constant,
        reference=rule,
        difference_count=count,
    )


def byte_multipliers(layer: Convolution, zero_point: int) -> tuple[Int64Array, Int64Array, Int64Array]:
    """For a layer that gives bytes of its sums: gain, constant and right shift of each channel; byte =
    ``(accumulator * gain + constant) >> shift``, its low 8 bits."""
    rule, constant = _reference(layer, zero_point)
    gain = 1
    if isinstance(rule, CountRequantization):
        gain, constant, rule = 2, rule.constant, rule.of
    assert isinstance(rule, BytePlanes)
    return np.full(len(constant), gain), constant, rule.shift


def _bytes_of_sums(
    layer: Convolution, zero_point: int, input_range: tuple[int, int], config: EngineConfig
) -> CertifiedRequantization:
    """The parameters of a layer that gives bytes of its sums: powers of two, exact at any shift that is long enough."""
    gain, constant, wanted = byte_multipliers(layer, zero_point)
    low, high = reachable_accumulators(layer, zero_point, input_range)
    if not config.wrapping:
        raise ModelError([_problem(layer, "it gives bytes of its sums, and the engine always clamps", "use an engine with wrapping")])
    codes = np.full(len(gain), -1)
    for code, shift in reversed(list(enumerate(config.shifts))):
        power = np.left_shift(1, np.maximum(shift - wanted, 0))
        largest = np.maximum(np.abs(low), np.abs(high)) * gain + np.abs(constant)
        fits = (shift >= wanted) & (power * gain < 2**config.multiplier_width)
        fits &= largest * power.astype(object) < 2 ** (config.offset_width - 1)
        codes[fits.astype(bool)] = code
    if (codes < 0).any():
        raise ModelError(
            [
                _problem(
                    layer,
                    f"no shift of {config.shifts} with a multiplier of {config.multiplier_width} bits gives byte "
                    f"{int(wanted[codes < 0][0]) // 8} of its sums",
                    "use an engine with a wider multiplier_width or other shifts",
                )
            ]
        )
    power = np.left_shift(1, np.asarray(config.shifts)[codes] - wanted)
    reference, added = _reference(layer, zero_point)
    return CertifiedRequantization(
        layer=layer.name,
        multiplier=gain * power,
        offset=constant * power,
        shift_code=codes,
        shifts=config.shifts,
        low=-128,
        high=127,
        pivot=-128,
        nudge=config.nudge,
        accumulator_low=low,
        accumulator_high=high,
        accumulator_width=accumulator_width(
            layer, zero_point, input_range, paired=layer.product in config.paired_products
        ),
        constant=added,
        reference=reference,
        difference_count=np.zeros(len(gain), np.int64),
    )


def _problem(layer: Convolution, rule: str, remedy: str) -> Problem:
    return Problem(layer.name, layer.operator, f"weights {'x'.join(map(str, layer.weights.shape))}", rule, remedy)


def _unsolved(
    layer: Convolution, channels: list[tuple[int, tuple[int, int] | None]], config: EngineConfig
) -> Problem:
    needs = [
        f"channel {channel} needs a multiplier of {needed[0]} bits with shift {needed[1]}"
        if needed
        else f"channel {channel} has no exact one of up to {WIDEST_MULTIPLIER} bits"
        for channel, needed in channels[:4]
    ]
    more = f" and {len(channels) - 4} more channels" if len(channels) > 4 else ""
    return _problem(
        layer,
        f"no exact requantization with multiplier_width {config.multiplier_width}, shifts {config.shifts} and nudge "
        f"{config.nudge}: {', '.join(needs)}{more}",
        "use an engine with a wider multiplier_width, other shifts or nudge, or calibrate the model's output scales again",
    )
