"""What a reference interpreter does to an accumulator: a monotone staircase for each output channel.

The solver (compiler/requantize.py) finds the engine's integer parameters for any of these; it looks at them only
through ``outputs`` and ``slope``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .fixed_point import fixed_point_product

__all__ = [
    "BytePlanes",
    "CountRequantization",
    "FixedPointRequantization",
    "FloatRequantization",
    "GainRequantization",
    "MeanRequantization",
    "Requantization",
    "TableRequantization",
    "ThresholdRequantization",
]


@dataclass(frozen=True, kw_only=True)
class Requantization(ABC):
    """A staircase from the reference's accumulator, ``sum((x - x_zp) * w) + bias``, to an output in ``low``..``high``.

    ``low``/``high`` include a fused activation; all outputs are in the int8 domain of the graph.
    """

    zero_point: int
    low: int = -128
    high: int = 127

    @property
    def wraps(self) -> bool:
        """Whether the output is the low byte of a shifted sum instead of a staircase."""
        return False

    @property
    @abstractmethod
    def slope(self) -> NDArray[np.float64]:
        """Output steps for one step of the accumulator, for each channel; at least 0."""

    @abstractmethod
    def unclamped(self, accumulators: NDArray[np.int64], channel: int | NDArray[np.intp]) -> NDArray[np.int64]:
        """Outputs without zero point and clamp."""

    def outputs(self, accumulators: NDArray[np.int64], channel: int | NDArray[np.intp]) -> NDArray[np.int64]:
        """The reference's outputs for accumulators of one channel, or of channels that broadcast against them."""
        return np.clip(self.unclamped(accumulators, channel) + self.zero_point, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class FloatRequantization(Requantization):
    """ONNX Runtime: ``rint(float32(acc) * scale[c])`` with rint half to even and float32 arithmetic.

    ``ties_up`` rounds halves up instead of to even, and computes in float64, with a float64 scale:
    ``floor(acc * scale[c] + 0.5 + 2**-32)``, where the last term outweighs the error of the product. Average pools use it,
    because ONNX Runtime's float32 sums decide their ties by rounding noise.
    """

    scale: NDArray[np.float32] | NDArray[np.float64]
    ties_up: bool = False

    @property
    def slope(self) -> NDArray[np.float64]:
        """The scale."""
        return self.scale.astype(np.float64)

    def unclamped(self, accumulators: NDArray[np.int64], channel: int | NDArray[np.intp]) -> NDArray[np.int64]:
        """Outputs without zero point and clamp."""
        if self.ties_up:
            rounded = np.floor(np.asarray(accumulators) * self.scale[channel].astype(np.float64) + (0.5 + 2.0**-32))
        else:
            product = np.asarray(accumulators).astype(np.float32) * self.scale[channel].astype(np.float32)
            rounded = np.rint(product.astype(np.float64))
        return rounded.astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class FixedPointRequantization(Requantization):
    """TensorFlow Lite: a multiplier of 31 bits and a power of two for each channel, ``acc * multiplier * 2**(shift - 31)``.

    ``rounding``: "tflm", TensorFlow Lite Micro's two roundings, or "single" (compiler/fixed_point.py).

    multiplier : int64, 2**30 .. 2**31 - 1 or 0, shape (outputs,)
    shift : int64, positive is to the left, shape (outputs,)
    """

    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]
    rounding: str = "tflm"

    @property
    def slope(self) -> NDArray[np.float64]:
        """multiplier * 2**(shift - 31)."""
        return np.ldexp(self.multiplier.astype(np.float64), self.shift - 31)

    def unclamped(self, accumulators: NDArray[np.int64], channel: int | NDArray[np.intp]) -> NDArray[np.int64]:
        """Outputs without zero point and clamp."""
        return fixed_point_product(
            np.asarray(accumulators), self.multiplier[channel], self.shift[channel], self.rounding
        )


@dataclass(frozen=True, kw_only=True)
class MeanRequantization(Requantization):
    """TensorFlow Lite's AVERAGE_POOL_2D: ``acc / count`` rounded half away from zero, acc the sum of the raw int8 inputs.

    The accumulator is the sum of the *raw* inputs: the layer's bias is ``input zero point * count``, ``zero_point`` here is 0.

    count : int64, elements in the window, shape (outputs,)
    """

    count: NDArray[np.int64]

    @property
    def slope(self) -> NDArray[np.float64]:
        """1 / count."""
        return 1.0 / self.count.astype(np.float64)

    def unclamped(self, accumulators: NDArray[np.int64], channel: int | NDArray[np.intp]) -> NDArray[np.int64]:
        """Outputs without zero point and clamp."""
        sums, count = np.asarray(accumulators), self.count[channel]
        return np.sign(sums) * ((np.abs(sums) + count // 2) // count)


@dataclass(frozen=True, kw_only=True)
class TableRequantization(Requantization):
    """An element-wise function of a map, value by value: ``table[c, acc - first]``.

    The layer is a depthwise convolution with a kernel of 1 x 1 and a weight of 1, or -1 where the function falls.

    table : int64, shape (outputs, accumulators), without zero point, never decreasing along the accumulators
    first : the accumulator of the first entry; accumulators outside the table get its ends
    factor : float64, output steps for one step of the accumulator, shape (outputs,)
    """

    table: NDArray[np.int64]
    first: int
    factor: NDArray[np.float64]

    @property
    def slope(self) -> NDArray[np.float64]:
        """The factor."""
        return self.factor

    def unclamped(self, accumulators: NDArray[np.int64], channel: int | NDArray[np.intp]) -> NDArray[np.int64]:
        """Outputs without zero point and clamp."""
        index = np.clip(np.asarray(accumulators) - self.first, 0, self.table.shape[1] - 1)
        return self.table[channel, index]


@dataclass(frozen=True, kw_only=True)
class CountRequantization(Requantization):
    """``of`` a sum of products of -1 and 1, as a function of the number of equal pairs: ``2 * count + constant[c]``.

    constant : int64, shape (outputs,): what turns twice the count into the reference's accumulator
    """

    of: Requantization
    constant: NDArray[np.int64]

    @property
    def wraps(self) -> bool:
        """As the sum's."""
        return self.of.wraps

    @property
    def slope(self) -> NDArray[np.float64]:
        """Twice the sum's."""
        return 2 * self.of.slope

    def unclamped(self, accumulators: NDArray[np.int64], channel: int | NDArray[np.intp]) -> NDArray[np.int64]:
        """Outputs without zero point and clamp."""
        return self.of.unclamped(2 * np.asarray(accumulators) + self.constant[channel], channel)


@dataclass(frozen=True, kw_only=True)
class GainRequantization(Requantization):
    """``of`` the sum ``gain * acc + constant[c]``: a layer whose weights have a common factor that was taken out.

    constant : int64, shape (outputs,): the bias, which is not a multiple of the factor
    """

    of: Requantization
    gain: int
    constant: NDArray[np.int64]

    @property
    def slope(self) -> NDArray[np.float64]:
        """That of the sum, times the factor."""
        return self.gain * self.of.slope

    def unclamped(self, accumulators: NDArray[np.int64], channel: int | NDArray[np.intp]) -> NDArray[np.int64]:
        """Outputs without zero point and clamp."""
        return self.of.unclamped(self.gain * np.asarray(accumulators) + self.constant[channel], channel)


@dataclass(frozen=True, kw_only=True)
class ThresholdRequantization(Requantization):
    """``low`` plus the number of the channel's thresholds that the accumulator has reached; ``zero_point`` here is 0.

    What a batch normalization, an activation and a quantizer of a model with few bits come to.

    thresholds : int64, shape (outputs, high - low), never decreasing along a row; a threshold above every accumulator is never
        reached, one below every accumulator always
    """

    zero_point: int = 0
    thresholds: NDArray[np.int64]

    @property
    def slope(self) -> NDArray[np.float64]:
        """Outputs from the first to the last threshold over their distance; 1 where that says nothing."""
        run = self.thresholds[:, -1] - self.thresholds[:, 0]
        return np.where(run > 0, (self.thresholds.shape[1] - 1) / np.maximum(run, 1), 1.0)

    def unclamped(self, accumulators: NDArray[np.int64], channel: int | NDArray[np.intp]) -> NDArray[np.int64]:
        """Outputs without clamp, which has no effect."""
        values = np.asarray(accumulators)
        reached = np.zeros(np.broadcast_shapes(values.shape, np.shape(channel)), np.int64)
        for level in range(self.thresholds.shape[1]):
            reached += values >= self.thresholds[channel, level]
        return reached + self.low

    @property
    def as_values(self) -> ThresholdRequantization:
        """The same layer with outputs -1 and 1 for the codes 0 and 1 of a binary map: both thresholds at one place, which
        no output 0 lies between. A binary map that is stored in a wider format needs it."""
        assert (self.low, self.high) == (0, 1)
        return replace(self, low=-1, high=1, thresholds=np.repeat(self.thresholds, 2, axis=1))


@dataclass(frozen=True, kw_only=True)
class BytePlanes(Requantization):
    """A byte of the accumulator itself: ``acc >> shift[c]``, of which the low 8 bits, as int8; ``zero_point`` here is 0.

    The last layer of a model that ends in real numbers: each output has as many channels as its sums have bytes, with the
    same weights and shifts 0, 8, ..., and the host joins them (HostStep "sums").

    shift : int64, shape (outputs,)
    """

    zero_point: int = 0
    shift: NDArray[np.int64]

    @property
    def wraps(self) -> bool:
        """Sums of one byte fit it."""
        return bool(self.shift.any())

    @property
    def slope(self) -> NDArray[np.float64]:
        """2**-shift."""
        return np.ldexp(1.0, -self.shift)

    def unclamped(self, accumulators: NDArray[np.int64], channel: int | NDArray[np.intp]) -> NDArray[np.int64]:
        """The byte; if there is only one, the accumulator."""
        shifted = np.asarray(accumulators) >> self.shift[channel]
        return ((shifted & 255) ^ 128) - 128 if self.wraps else shifted
