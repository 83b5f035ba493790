"""The result of the solver for one residual addition, and its proof on every pair of inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..hw.errors import CheckFailed
from .requantizer_line import RequantizerLine

__all__ = ["CertifiedAddition", "balanced_digits"]

Int64Array = NDArray[np.int64]


def balanced_digits(weight: int) -> tuple[int, int]:
    """``(high, low)``, both int8, with ``weight == 256 * high + low``. Weights are from -32896 to 32639."""
    low = (weight + 128) % 256 - 128
    return (weight - low) // 256, low


@dataclass(frozen=True, kw_only=True)
class CertifiedAddition(RequantizerLine):
    """The engine's parameters of one residual addition, equal to ``table`` on all pairs that the inputs can hold but for
    the ``difference_count`` that :meth:`certify` counts again (0: exact).

    The engine's sum is ``accumulator = a * weights[0] + b * weights[1]`` over raw int8 inputs, each weight two
    :func:`balanced_digits`; the line is the same for all channels.

    table : ``table[a + 128, b + 128]``, the reference's output
    first_range, second_range : the smallest and largest a and b
    accumulator_width : of digit products, those of high digits 256-fold
    largest_difference : output steps
    """

    weights: tuple[int, int]
    table: NDArray[np.int8]
    first_range: tuple[int, int]
    second_range: tuple[int, int]
    difference_count: int
    largest_difference: int

    @property
    def digits(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """(high, low) digit of both weights."""
        return balanced_digits(self.weights[0]), balanced_digits(self.weights[1])

    @property
    def exact(self) -> bool:
        """Whether the engine equals the reference on all pairs."""
        return self.difference_count == 0

    @property
    def pair_count(self) -> int:
        """Pairs that the inputs can hold."""
        return int(self._difference.size)

    @property
    def outputs(self) -> NDArray[np.int8]:
        """The engine's output for every pair, indexed as ``table``."""
        values = np.arange(-128, 128)
        sums = values[:, None] * self.weights[0] + values[None, :] * self.weights[1]
        return self.line_outputs(sums.reshape(1, -1), slice(1)).reshape(sums.shape).astype(np.int8)

    def counted(self) -> CertifiedAddition:
        """This addition with its differences counted."""
        difference = self._difference
        return replace(
            self, difference_count=int(np.count_nonzero(difference)), largest_difference=int(difference.max())
        )

    def certify(self) -> None:
        """Check from scratch, on every pair that the inputs can hold, that engine and reference differ exactly as counted.
        Raises CheckFailed that names the layer."""
        equal = all((values == values[0]).all() for values in (self.multiplier, self.offset, self.shift_code))
        counted = self.counted()
        if not equal or (counted.difference_count, counted.largest_difference) != (
            self.difference_count,
            self.largest_difference,
        ):
            raise CheckFailed(
                f"Residual addition {self.layer!r}: engine and reference differ for other pairs of inputs than the solver found."
            )

    @property
    def _difference(self) -> Int64Array:
        """Output steps between engine and reference for every pair that the inputs can hold."""
        rows = slice(self.first_range[0] + 128, self.first_range[1] + 129)
        columns = slice(self.second_range[0] + 128, self.second_range[1] + 129)
        return np.abs(self.outputs[rows, columns].astype(np.int64) - self.table[rows, columns])
