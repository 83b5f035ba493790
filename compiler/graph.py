"""The integer graph: what every importer produces and the rest of the compiler works on.

Activations are int8 in this graph, whatever the number format that the engine stores them in. A reference tensor of uint8 is held minus 128 (``unsigned`` tells the host), its zero
point likewise, so the arithmetic is the same. Maps are (height, width, channels); a vector of k values is a map of
1 x 1 x k.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .requantization import Requantization

__all__ = ["COPY", "Add", "Concat", "Convolution", "Deviation", "Graph", "HostStep", "MaxPool", "Node", "Tensor"]


COPY = "Copy"
"""Operator of a node that the compiler has added and that only moves a map."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A quantized map: real value = (q - zero_point) * scale, q in -128..127.

    ``shape`` is (height, width, channels). ``unsigned`` says that the reference holds q + 128 as uint8.
    ``reference`` names the tensor in the source model that holds the same values, or is "".
    ``reference_shape`` is that tensor's shape, batch first: (1, C, H, W) or (1, K) for ONNX, (1, H, W, C) for TFLite.
    ``transposed``: rows of this map are columns of the reference's (compiler/orientation.py).
    ``format`` names the set of ``hw/formats.py`` that holds all values of the map: its narrowest from an importer, and from
    compiler/number_formats.py on the one that the engine stores. Maps are int8 arrays of values, -1 and 1 for "binary".
    """

    name: str
    shape: tuple[int, int, int]
    scale: float
    zero_point: int
    unsigned: bool = False
    reference: str = ""
    reference_shape: tuple[int, ...] = ()
    transposed: bool = False
    format: str = "int8"


@dataclass(frozen=True, kw_only=True)
class Node:
    """One step of the integer graph.

    ``name`` is the name of the source node at its heart (Conv, Gemm, ...), ``operator`` its operator there, for messages.
    """

    name: str
    operator: str
    input: str
    output: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """All tensors that the node reads, ``input`` first."""
        return (self.input,)


@dataclass(frozen=True, kw_only=True)
class Convolution(Node):
    """acc[y, x, o] = sum over ky, kx, c of (in[y*sy + ky*dy - top, x*sx + kx*dx - left, c] - zp) * weights + bias[o].

    Out-of-map inputs contribute 0 (they hold the zero point). Fully connected layers, average pooling and depthwise
    convolutions are convolutions too: a kernel that covers the map; ones with groups = channels.

    weights : int8, shape (outputs, kernel height, kernel width, inputs / groups)
    bias : int64, shape (outputs,)
    padding : top, left, bottom, right
    fan_in : products of one output in the source model, where folding has filled the weights up with zeros; 0: all
    weight_format : the set of ``hw/formats.py`` that holds all weights; they are int8 values all the same
    product : the pair of ``hw/products.py`` in which the engine multiplies; compiler/number_formats.py chooses it

    The requantization of a layer whose output is "binary" gives codes 0 and 1, all others give values.
    """

    weights: NDArray[np.int8]
    bias: NDArray[np.int64]
    requantization: Requantization
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    fan_in: int = 0
    weight_format: str = "int8"
    product: str = "int8xint8"

    @property
    def products_per_output(self) -> int:
        """Multiplications that one output element needs in the source model, padding included."""
        return self.fan_in or self.weights[0].size


@dataclass(frozen=True, kw_only=True)
class MaxPool(Node):
    """out[y, x, c] = max over the window; out-of-map inputs do not take part. Scale and zero point are unchanged."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Add(Node):
    """Element-wise function of two maps of one shape: residual addition.

    ``table[a + 128, b + 128]`` is the reference's output for the elements a of ``input`` and b of ``second``: int8, shape
    (256, 256), never decreasing along either axis. It includes a fused activation's clamp ``low``..``high``, and
    ``zero_point`` is the output's. ``weights`` is the ratio of the real factors of a and b (scale of the input over scale
    of the output), where the solver starts its search.
    """

    second: str
    table: NDArray[np.int8]
    weights: tuple[float, float]
    zero_point: int
    low: int = -128
    high: int = 127

    @property
    def inputs(self) -> tuple[str, ...]:
        """Both maps."""
        return (self.input, self.second)


@dataclass(frozen=True, kw_only=True)
class Concat(Node):
    """The channels of ``input``, then those of each of ``others``; scale and zero point of all are the output's.

    No work for the engine: the parts are written where the whole lies (compiler/concatenation.py).
    """

    others: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """All parts, in channel order."""
        return (self.input, *self.others)


@dataclass(frozen=True, kw_only=True)
class HostStep:
    """Something the host driver does with the outputs: "dequantize", "softmax", "argmax" (with ``axis`` -1); "uint8" and
    "int8" give out the same integers as the other type, 128 higher or lower.

    "sigmoid" and "requantize" (QuantizeLinear to int8 with ``scale`` and ``zero_point``, then DequantizeLinear) take and give
    real numbers, as "softmax" does; "requantize_softmax" multiplies by floor(1 / scale) instead of dividing, as ONNX
    Runtime's QLinearSoftmax.

    "softmax_int8" and "logistic_int8": TensorFlow Lite Micro's integer kernels from int8 to int8, of the tensor with
    ``scale`` (and zero point ``zero_point``) to scale 1/256 and zero point -128 (sim/golden/host_kernels.py).

    "sums" takes the sums of the last layer, of which the output map holds ``planes`` bytes each (BytePlanes), all lowest
    bytes first, in the model's order each, and gives ``float32(sum * operand)``, the product in float64. The other kinds
    with an ``operand``, an array that broadcasts against the model's tensor, compute in float32, one operator of the model
    each: "add", "multiply", "subtract", "divide", "subtract_from" (the values from the operand), "matmul", "maximum",
    "minimum"; "batch_normalization" multiplies by ``operand[0]``, then adds ``operand[1]``. "quantize" is QONNX's Quant with
    ``scale``, ``zero_point``, bounds ``operand`` and ``rounding`` (float_steps.py), "bipolar" its BipolarQuant: ``scale``
    where the value is at least 0, else ``-scale``; "reshape" gives the shape ``operand`` (its batch of 1 replaced).
    """

    kind: str
    name: str
    scale: float = 1.0
    zero_point: int = 0
    planes: int = 1
    rounding: str = "ROUND"
    operand: NDArray[Any] = field(default_factory=lambda: np.zeros(0, np.float32), compare=False)


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """A node whose outputs may differ from the reference's, by at most ``steps`` output steps, and why."""

    node: str
    operator: str
    steps: int
    reason: str


@dataclass(kw_only=True)
class Graph:
    """A network: tensors by name, nodes in execution order, one input, one output.

    ``input_float`` tells that the source model takes float32 (the host quantizes:
    ``clip(rint(x / scale) + zero_point)`` with float32 division and rint half to even, or halves away from zero with
    ``input_ties_away``); otherwise it takes the integers.
    ``input_steps`` are applied to a float input first, in order (kinds of :class:`HostStep` with an operand); their last
    result is what is quantized. ``host_steps`` are applied in order to the integer output to get the model's output.
    ``input_name``, ``input_shape``, ``output_name`` and ``output_shape`` are the source model's, batch 1 first.
    ``input_order``: element i of the input map (row, column, channel order) is element ``input_order[i]`` of the source
    model's input, or holds the input's zero point where that is -1 (padding). ``output_order``: element i of the source model's (integer) output is element ``output_order[i]`` of
    the output map. ``deviations`` lists every node that may not equal the reference; empty means exact on every element.
    ``input_range``: the smallest and largest integer of the input map, where these are not all that its number format holds.
    ``qonnx``: the source is a QONNX model, whose reference computes every operator by itself. ``input_members``: all numbers
    that the float input can hold, if the source says so; else empty.
    """

    name: str
    source: str
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    input: str = ""
    output: str = ""
    input_float: bool = True
    input_ties_away: bool = False
    input_name: str = ""
    input_shape: tuple[int, ...] = ()
    input_order: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    output_name: str = ""
    output_shape: tuple[int, ...] = ()
    output_order: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    input_steps: list[HostStep] = field(default_factory=list)
    host_steps: list[HostStep] = field(default_factory=list)
    deviations: list[Deviation] = field(default_factory=list)
    input_range: tuple[int, int] | None = None
    qonnx: bool = False
    input_members: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
