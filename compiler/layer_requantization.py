"""Requantization of one layer, solved: what its sums can be, and each channel's parameters.

The engine's accumulator is ``a = sum(x * w)`` over raw int8 inputs, without bias and zero point; padding holds the input's
zero point. The reference accumulator is therefore ``a + bias - zero_point * sum(w)``.

Some channels have no solution at any width: where float32 rounds several products to exact halves, half-to-even sends
them up and down in turn, and no straight line does. Such a channel gets the line that differs for the fewest
accumulators, by one output step each; every one of them is counted and named (``differences``), or refused (``strict``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..hw.config import EngineConfig
from .certified_requantization import CertifiedRequantization
from .graph import Convolution
from .problem import ModelError, Problem
from .staircase import WIDEST_MULTIPLIER, Staircase

__all__ = ["accumulator_constant", "accumulator_width", "reachable_accumulators", "requantize_layer"]

Int64Array = NDArray[np.int64]


def accumulator_constant(layer: Convolution, zero_point: int) -> Int64Array:
    """What turns the engine's accumulator into the reference's, for each channel."""
    weight_sums = layer.weights.astype(np.int64).reshape(len(layer.weights), -1).sum(1)
    return layer.bias.astype(np.int64) - zero_point * weight_sums


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
    constant = accumulator_constant(layer, zero_point)
    staircase = Staircase(rule, constant, low, high)
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
        pivot=-128,
        nudge=config.nudge,
        accumulator_low=low,
        accumulator_high=high,
        accumulator_width=width,
        constant=constant,
        reference=rule,
        difference_count=count,
    )


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
