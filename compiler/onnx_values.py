"""What a tensor of the source model stands for while its graph is walked.

Every value but the constants knows its ``elements``: an array of the tensor's shape in the source model that holds, for
each element, its place in the integer graph's map (row, column, channel order), or -1 for padding. Moving data (Reshape, Transpose,
Flatten) is then the same operation on this array, and a layer that takes a vector takes any order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import HostStep
from .onnx_numerics import Quantization
from .window import Window

__all__ = [
    "Accumulated",
    "Chained",
    "Constant",
    "Hosted",
    "Integers",
    "Prepared",
    "Reals",
    "ScaledConstant",
    "Source",
    "Summed",
    "Unknown",
    "Unquantized",
    "Value",
]


@dataclass(frozen=True)
class Constant:
    """Plain numbers."""

    array: NDArray[Any]


@dataclass(frozen=True)
class ScaledConstant:
    """Dequantized numbers: (integers - zero point) * scale, the zero point already subtracted; one scale or one for each
    index of ``axis``. ``moved`` tells that an operator stands between DequantizeLinear and the consumer; ``unsigned`` that
    the integers are uint8 in the model; ``narrow`` that they have 4 bits there."""

    integers: NDArray[np.int64]
    scale: NDArray[np.float32]
    axis: int
    moved: bool = False
    unsigned: bool = False
    narrow: bool = False


@dataclass(frozen=True)
class Source:
    """The model's float input, not yet quantized."""

    elements: NDArray[np.int64]


@dataclass(frozen=True)
class Integers:
    """A quantized map of the graph. ``exclusive``: nothing else reads it on the way from the layer that made it."""

    tensor: str
    elements: NDArray[np.int64]
    exclusive: bool = True


@dataclass(frozen=True)
class Reals:
    """A dequantized map of the graph, clipped to minimum..maximum.

    ``direct``: no operator stands between DequantizeLinear and here, so ONNX Runtime fuses the consumer.
    ``signed``: ONNX Runtime's kernels read it as int8. It turns int8 maps into uint8 where a single DequantizeLinear with a
    single reader follows QuantizeLinear, and fuses most operators for uint8 only.
    """

    tensor: str
    elements: NDArray[np.int64]
    exclusive: bool = True
    direct: bool = True
    signed: bool = False
    minimum: float = -math.inf
    maximum: float = math.inf


@dataclass(frozen=True, kw_only=True)
class Accumulated:
    """Sums of a layer on the array, not yet quantized.

    ``scale`` gives the requantization scale for each channel from the output's scale. ``reasons`` tell why ONNX Runtime
    computes the node in float32 instead of integers; empty if it does not. ``count`` is the number of inputs that an average
    pool adds up, else 0; with ``ties_up`` its ties go up, for want of a rule (FloatRequantization).
    """

    name: str
    operator: str
    tensor: str
    window: Window
    groups: int
    weights: NDArray[np.int8]
    bias: NDArray[np.int64]
    weight_scale: NDArray[np.float32]
    scale: Callable[[np.float32], NDArray[np.float32] | NDArray[np.float64]]
    shape: tuple[int, int, int]
    elements: NDArray[np.int64]
    reasons: tuple[str, ...] = ()
    count: int = 0
    ties_up: bool = False
    biased: bool = False
    minimum: float = -math.inf
    maximum: float = math.inf


@dataclass(frozen=True, kw_only=True)
class Unquantized:
    """Real numbers computed element by element from quantized maps, clipped to minimum..maximum, not yet quantized.

    ``finish(value, output, quantization, signed)`` adds what computes them to the graph, as the tensor ``output``;
    ``signed`` is that of :class:`Reals`. ``direct``: nothing but a Relu or Clip stands behind the operator.
    """

    elements: NDArray[np.int64]
    finish: Callable[[Unquantized, str, Quantization, bool], Integers]
    direct: bool = True
    minimum: float = -math.inf
    maximum: float = math.inf


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Real numbers that the host computes from the model's input by ``steps``; ``elements`` are places in the last step's
    result, whose shape is ``shape``. ``members``: all values that the input can have, if the file says so (QONNX)."""

    elements: NDArray[np.int64]
    shape: tuple[int, ...]
    steps: tuple[HostStep, ...] = ()
    members: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Chained:
    """Real numbers computed from the sums of a layer, each sum by itself (QONNX): ``float32(sum * factor)``, then ``steps``.

    ``factor`` is float64, one for each channel; the operands of the steps have one number for each channel in their last
    dimension. ``copy``: the layer is no more than the map ``sums.tensor`` itself, and needs none if the host can do the rest.
    ``pools``: max pools of the sums, and how many steps stand in front of each.
    """

    sums: Accumulated
    factor: NDArray[np.float64]
    elements: NDArray[np.int64]
    steps: tuple[HostStep, ...] = ()
    copy: bool = False
    pools: tuple[tuple[str, Window, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Summed:
    """The sum of the maps ``first`` and ``second`` in float32, then ``steps``, not yet quantized (QONNX). Every operand of the
    steps is one number for the whole map; ``name`` and ``operator`` are the Add's."""

    name: str
    operator: str
    first: str
    second: str
    elements: NDArray[np.int64]
    steps: tuple[HostStep, ...] = ()


@dataclass(frozen=True)
class Hosted:
    """A result of the host driver: the steps to apply to the map. ``quantization``: it is quantized so at present."""

    tensor: str
    elements: NDArray[np.int64]
    steps: tuple[HostStep, ...]
    quantization: Quantization | None = None


@dataclass(frozen=True)
class Unknown:
    """The output of a node that has a problem."""


Value = (
    Constant
    | ScaledConstant
    | Source
    | Integers
    | Reals
    | Accumulated
    | Unquantized
    | Prepared
    | Chained
    | Summed
    | Hosted
    | Unknown
)
