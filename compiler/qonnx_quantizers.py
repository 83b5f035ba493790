"""The quantizers of QONNX: what each makes of a real number.

The formulas are those of the qonnx package (``quant.py``, ``bipolar_quant.py``, ``trunc.py``, ``multithreshold.py``), in float32:

- Quant, IntQuant: ``clip(x / scale + zero_point, low, high)`` rounded, minus the zero point, times the scale; with one signed
  bit as BipolarQuant.
- BipolarQuant: ``scale`` where x >= 0, else ``-scale``.
- Trunc: ``rint(x / scale + zero_point) / 2**(bits taken away)``, rounded.
- MultiThreshold: ``out_scale * (number of thresholds t with x >= t) + out_bias``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .float_steps import ROUNDINGS
from .graph import HostStep
from .number_sets import place_values
from .problem import Refusal

__all__ = ["Bipolar", "Quantizer", "Thresholds", "Truncation", "Uniform", "held_range", "rounding_mode"]

Float32Array = NDArray[np.float32]
Int64Array = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Quantizer(ABC):
    """A map from real numbers to codes; ``real = (code - zero_point) * scale``. Codes are low..high."""

    scale: float
    zero_point: int
    low: int
    high: int

    @abstractmethod
    def codes(self, values: Float32Array) -> Int64Array:
        """The codes of float32 values, channels last. Never fall as the values rise."""

    @property
    def step(self) -> HostStep:
        """The same on the host, with real results."""
        raise Refusal("the network's input is quantized by it", "quantize the input with Quant or BipolarQuant")

    @property
    def format(self) -> tuple[str, int]:
        """The narrowest format that holds the integers ``code - zero_point``, and the zero point in it."""
        try:
            return place_values(self.low - self.zero_point, self.high - self.zero_point)
        except ValueError:
            bits = (self.high - self.low).bit_length()
            raise Refusal(f"its output needs {bits} bits", "quantize activations to at most 8 bits") from None


@dataclass(frozen=True, kw_only=True)
class Uniform(Quantizer):
    """Quant and IntQuant."""

    rounding: str

    def codes(self, values: Float32Array) -> Int64Array:
        """The codes."""
        steps = np.clip(values / np.float32(self.scale) + np.float32(self.zero_point), self.low, self.high)
        return ROUNDINGS[self.rounding](steps).astype(np.int64)

    @property
    def step(self) -> HostStep:
        """The same on the host."""
        return HostStep(
            kind="quantize",
            name="",
            scale=self.scale,
            zero_point=self.zero_point,
            rounding=self.rounding,
            operand=np.array([self.low, self.high], np.float32),
        )


@dataclass(frozen=True, kw_only=True)
class Bipolar(Quantizer):
    """BipolarQuant: codes 0 and 1 are ``-scale`` and ``scale``."""

    zero_point: int = 0
    low: int = 0
    high: int = 1

    def codes(self, values: Float32Array) -> Int64Array:
        """The codes."""
        return (values >= 0).astype(np.int64)

    @property
    def step(self) -> HostStep:
        """The same on the host."""
        return HostStep(kind="bipolar", name="", scale=self.scale)

    @property
    def format(self) -> tuple[str, int]:
        """-1 and 1."""
        return "binary", 0


@dataclass(frozen=True, kw_only=True)
class Truncation(Quantizer):
    """Trunc: the integers ``rint(x / input_scale)`` lose their lowest bits."""

    input_scale: float
    divisor: float
    rounding: str

    def codes(self, values: Float32Array) -> Int64Array:
        """The codes."""
        steps = np.rint(values / np.float32(self.input_scale)) / np.float32(self.divisor)
        return ROUNDINGS[self.rounding](np.clip(steps, self.low, self.high)).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Thresholds(Quantizer):
    """MultiThreshold: codes count thresholds, float32, shape (channels, levels). ``binary``: 0 and 1 are ``-scale`` and
    ``scale``."""

    thresholds: Float32Array
    binary: bool = False

    def codes(self, values: Float32Array) -> Int64Array:
        """The codes."""
        reached = np.zeros(values.shape, np.int64)
        for level in range(self.thresholds.shape[1]):
            reached += values >= self.thresholds[:, level]
        return reached

    @property
    def format(self) -> tuple[str, int]:
        """-1 and 1, or as many integers as there are levels."""
        return ("binary", 0) if self.binary else super().format


def held_range(quantizer: Quantizer) -> tuple[int, int]:
    """The outputs of a layer with this quantizer: codes 0..1 of a binary map, else the integers in the map."""
    kind, zero_point = quantizer.format
    if kind == "binary":
        return 0, 1
    shift = zero_point - quantizer.zero_point
    return quantizer.low + shift, quantizer.high + shift


def rounding_mode(attribute: bytes | str) -> str:
    """A rounding mode as the file writes it; refuses one that is not known."""
    mode = (attribute.decode(errors="replace") if isinstance(attribute, bytes) else str(attribute)).upper()
    if mode not in ROUNDINGS:
        raise Refusal(f"rounding_mode {mode[:30]!r} is not supported", f"use one of {', '.join(ROUNDINGS)}")
    return mode


def positive_scale(value: float) -> float:
    """A scale; refuses one that is not positive."""
    if not (math.isfinite(value) and value > 0):
        raise Refusal(f"the scale {value:g} is not positive", "quantize again with more calibration data")
    return value
