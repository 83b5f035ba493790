"""The integer graph under construction, and what each tensor of the TensorFlow Lite model stands for during the walk.

TensorFlow Lite keeps channels last and batch first, so the elements of a tensor lie in the order of the graph's map
(row, column, channel) whatever its shape says. Moving data then is a change of shape, and a map of one row may be read
as a map of one column: the layer that does so is built with rows and columns exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import Convolution, Graph, HostStep, Tensor
from .problem import Problem, Refusal
from .requantization import FixedPointRequantization, Requantization
from .tflite_file import TfliteModel, TfliteOperator, TfliteTensor
from .tflite_quantization import Quantization, activation_quantization, fixed_point, same_quantization

__all__ = [
    "Constant",
    "FloatInput",
    "GraphBuilder",
    "Handler",
    "Hosted",
    "Map",
    "Padded",
    "Skipped",
    "Unknown",
    "Value",
]

INT32_MAX = 2**31 - 1
ELEMENT_LIMIT = 1 << 24
"""Elements of a map; the engine's memories hold far fewer."""


@dataclass(frozen=True)
class Constant:
    """Numbers that are known when the model is read: shapes, mostly."""

    array: NDArray[Any]


@dataclass(frozen=True)
class FloatInput:
    """The model's float input, not yet quantized."""


@dataclass(frozen=True)
class Map:
    """A quantized map of the graph, offered as int8 or uint8. ``shape`` is the source model's at this place.

    ``exclusive``: nothing else reads it on the way from the layer that made it.
    """

    tensor: str
    shape: tuple[int, ...]
    unsigned: bool
    exclusive: bool


@dataclass(frozen=True)
class Padded:
    """A map that a PAD has enlarged with its zero point: top, left, bottom, right. Joins the window that reads it."""

    map: Map
    padding: tuple[int, int, int, int]
    shape: tuple[int, ...]
    operator: TfliteOperator


@dataclass(frozen=True)
class Hosted:
    """A result of the host driver: the steps to apply to the map; ``quantization`` is None for float and class numbers."""

    map: Map
    steps: tuple[HostStep, ...]
    shape: tuple[int, ...]
    quantization: Quantization | None


@dataclass(frozen=True)
class Unknown:
    """The output of an operator that has a problem."""


Value = Constant | FloatInput | Map | Padded | Hosted | Unknown


class Skipped(Exception):
    """An operator depends on one that has a problem already."""


class GraphBuilder:
    """Builds ``result``, the graph, while ``values`` tells what each tensor of the source model stands for.

    ``rounding`` is that of the requantization, ``claimed`` holds the tensors whose map shape a layer relies on, ``problems``
    what was found so far. Methods raise Refusal for a rule that is not met and Skipped where an earlier problem hides a value.
    """

    def __init__(self, model: TfliteModel, rounding: str) -> None:
        self.model = model
        self.rounding = rounding
        self.values: dict[int, Value] = {}
        self.result = Graph(name=model.name, source=model.source)
        self.claimed: set[str] = set()
        self.problems: list[Problem] = []

    # What the model holds

    def tensor(self, operator: TfliteOperator, index: int) -> TfliteTensor:
        """An input tensor of an operator, which it must have."""
        number = operator.input(index)
        if number < 0:
            raise Refusal(f"input {index} is missing", "correct the model")
        return self.model.tensors[number]

    def output(self, operator: TfliteOperator) -> TfliteTensor:
        """The only output tensor of an operator, of a known shape."""
        if len(operator.outputs) != 1:
            raise Refusal(f"it has {len(operator.outputs)} outputs instead of one", "correct the model")
        tensor = self.model.tensors[operator.outputs[0]]
        if tensor.dynamic:
            rule = f"its output {tensor.name!r} has the dynamic shape {tensor.shape_text}"
            raise Refusal(rule, "give every extent but the batch a number when converting")
        return tensor

    def value(self, operator: TfliteOperator, index: int) -> Value:
        """What an input of the operator stands for."""
        tensor = self.tensor(operator, index)
        value = self.values.get(tensor.index)
        if isinstance(value, Unknown):
            raise Skipped
        if value is None:
            raise Refusal(f"its input {tensor.name!r} is neither constant nor computed before it", "correct the model")
        return value

    def constant(self, operator: TfliteOperator, index: int, what: str) -> NDArray[Any]:
        """The numbers of an input that must be constant; ``what`` names it in the message."""
        value = self.value(operator, index)
        if not isinstance(value, Constant):
            raise Refusal(
                f"{what}, {self.tensor(operator, index).name!r}, must be constant", "make it a constant of the model"
            )
        return value.array

    def quantized(self, operator: TfliteOperator, index: int) -> Map:
        """An input that is a quantized map."""
        return self.as_quantized(self.value(operator, index), self.tensor(operator, index))

    def as_quantized(self, value: Value, tensor: TfliteTensor) -> Map:
        """``value`` as a quantized map; refuses anything else."""
        if isinstance(value, Map):
            activation_quantization(tensor)
            return value
        if isinstance(value, Padded):
            raise Refusal(
                f"a PAD ({value.operator.name}) stands in front of it",
                "only a convolution or average pool can take a PAD: put the PAD directly in front of one",
            )
        if isinstance(value, Hosted):
            step = value.steps[-1]
            raise Refusal(
                f"its input is the result of {step.name}, which the host computes",
                "end the network in front of that operator",
            )
        activation_quantization(tensor)  # names the type
        raise Refusal(f"its input {tensor.name!r} is not a quantized map", "quantize the model's input")

    def exclusive(self, tensor: TfliteTensor) -> bool:
        """Whether one operator reads a tensor and the model does not give it out."""
        return tensor.index not in self.model.outputs and len(self.model.readers(tensor.index)) == 1

    # The graph's tensors

    def quantization_of(self, tensor: str) -> Quantization:
        """Scale and zero point of a tensor of the graph."""
        known = self.result.tensors[tensor]
        return Quantization(np.float32(known.scale), known.zero_point, known.unsigned)

    def new_input(self, tensor: TfliteTensor, quantization: Quantization) -> Map:
        """The graph's input map: the model's input, or what it is quantized to."""
        shape = tensor.shape
        if math.prod(shape) > ELEMENT_LIMIT:
            raise Refusal(
                f"its shape {tensor.shape_text} has more than {ELEMENT_LIMIT} elements", "use a smaller network"
            )
        extents = {4: shape[1:], 3: (1, *shape[1:])}.get(len(shape), (1, 1, math.prod(shape)))
        self.result.input = tensor.name
        self.result.input_order = np.arange(math.prod(shape), dtype=np.int64)
        return self.new_map(tensor, (extents[0], extents[1], extents[2]), quantization)

    def new_map(self, tensor: TfliteTensor, extents: tuple[int, int, int], quantization: Quantization) -> Map:
        """A map that holds the values of ``tensor``."""
        if math.prod(extents) > ELEMENT_LIMIT:
            raise Refusal(f"its output has more than {ELEMENT_LIMIT} elements", "use a smaller network")
        self.result.tensors[tensor.name] = Tensor(
            name=tensor.name,
            shape=extents,
            scale=float(quantization.scale),
            zero_point=quantization.zero_point,
            unsigned=quantization.unsigned,
            reference=tensor.name if self.model.tensors[tensor.index].name == tensor.name else "",
            reference_shape=tensor.shape,
        )
        return Map(tensor.name, tensor.shape, quantization.unsigned, self.exclusive(tensor))

    def derived(self, tensor: TfliteTensor, suffix: str, shape: tuple[int, ...]) -> TfliteTensor:
        """A tensor that the source model does not have, between two of its own."""
        return replace(tensor, name=f"{tensor.name} {suffix}", shape=shape, signature=shape)

    def viewed(self, value: Map, tensor: TfliteTensor) -> Map:
        """The same map as another tensor of the model: other shape, other type, other readers."""
        exclusive = value.exclusive and self.exclusive(tensor)
        return Map(value.tensor, tensor.shape, tensor.kind == "uint8", exclusive)

    def as_map(self, value: Map) -> tuple[tuple[int, int, int], bool]:
        """Rows, columns and channels of a map that a layer reads, in the source model's sense, and whether the graph holds
        it with rows and columns exchanged (one of them is 1). Refuses a map that would have to be rearranged."""
        if len(value.shape) not in (2, 3, 4) or value.shape[0] != 1:
            raise Refusal(
                f"its input has shape {'x'.join(map(str, value.shape))}, not 1 x height x width x channels",
                "use batch 1",
            )
        wanted = (1,) * (4 - len(value.shape)) + value.shape[1:]
        height, width, channels = wanted
        known = self.result.tensors[value.tensor]
        if value.tensor == self.result.input and value.tensor not in self.claimed:
            self.result.tensors[value.tensor] = known = replace(known, shape=(height, width, channels))
        self.claimed.add(value.tensor)
        if known.shape == (height, width, channels):
            return (height, width, channels), False
        if known.shape == (width, height, channels) and 1 in (width, height):
            return (height, width, channels), True
        raise Refusal(
            f"the data must be rearranged in front of it: the map is {'x'.join(map(str, known.shape))}, it reads "
            f"{height}x{width}x{channels}",
            "keep the layout of the producing layer, or reshape the network's input only",
        )

    # The graph's layers

    def add_convolution(
        self,
        operator: TfliteOperator,
        value: Map,
        layer: Convolution,
        extents: tuple[int, int, int],
        quantization: Quantization,
        output: TfliteTensor | None = None,
    ) -> Map:
        """Append a layer that makes ``output`` (the operator's without), a map of ``extents`` in the graph's sense."""
        tensor = output or self.output(operator)
        if math.prod(extents) != math.prod(tensor.shape):
            raise Refusal(
                f"its output should have {'x'.join(map(str, extents))} elements, but {tensor.name!r} has shape {tensor.shape_text}",
                "correct the model",
            )
        self._check_sums(layer)
        self.result.nodes.append(layer)
        return self.new_map(tensor, extents, quantization)

    def _check_sums(self, layer: Convolution) -> None:
        """Accumulators, and what the fixed-point multiplication shifts left, must fit int32 as in the reference."""
        source = self.result.tensors[layer.input]
        largest = max(127 - source.zero_point, 128 + source.zero_point)
        magnitudes = np.abs(layer.weights.astype(np.int64)).reshape(len(layer.weights), -1).sum(1) * largest
        magnitudes += np.abs(layer.bias)
        rule = layer.requantization
        if isinstance(rule, FixedPointRequantization):
            magnitudes <<= np.maximum(rule.shift, 0)
        if magnitudes.max(initial=0) > INT32_MAX:
            channel = int(magnitudes.argmax())
            raise Refusal(
                f"the sums of output channel {channel} can exceed int32", "use smaller kernels or a smaller bias"
            )

    def channelwise(
        self,
        operator: TfliteOperator,
        value: Map,
        requantization: Requantization,
        quantization: Quantization,
        *,
        bias: int | NDArray[np.int64] = 0,
        weight: NDArray[np.int8] | None = None,
        name: str = "",
        output: TfliteTensor | None = None,
    ) -> Map:
        """A layer that computes each element from one: a 1x1 depthwise convolution of weight 1 (or one each channel)."""
        extents = self.result.tensors[value.tensor].shape
        channels = extents[2]
        weights = np.ones(channels, np.int8) if weight is None else weight
        tensor = output or self.output(operator)
        layer = Convolution(
            name=name or operator.name,
            operator=operator.operator,
            input=value.tensor,
            output=tensor.name,
            weights=weights.reshape(channels, 1, 1, 1),
            bias=np.broadcast_to(np.asarray(bias, np.int64), channels).copy(),
            requantization=requantization,
            groups=channels,
        )
        self.claimed.add(value.tensor)
        return self.add_convolution(operator, value, layer, extents, quantization, tensor)

    def fold_clamp(self, value: Map, bounds: tuple[int, int]) -> bool:
        """Limit ``value`` to ``bounds`` in the layer that makes it; False if that cannot be or if others read it too."""
        for index, node in enumerate(self.result.nodes):
            if node.output == value.tensor and value.exclusive and isinstance(node, Convolution):
                rule = node.requantization
                low, high = (min(max(bound, rule.low), rule.high) for bound in bounds)
                self.result.nodes[index] = replace(node, requantization=replace(rule, low=low, high=high))
                return True
        return bounds == (-128, 127)

    def clamped(self, operator: TfliteOperator, value: Map, bounds: tuple[int, int], output: TfliteTensor) -> Map:
        """``value`` limited to ``bounds`` as ``output``, by the layer that makes it or by one of its own."""
        if self.fold_clamp(value, bounds):
            known = self.result.tensors[value.tensor]
            if value.exclusive:
                self.result.tensors[value.tensor] = replace(known, reference=output.name, reference_shape=output.shape)
            return self.viewed(value, output)
        quantization = self.quantization_of(value.tensor)
        channels = self.result.tensors[value.tensor].shape[2]
        identity = fixed_point(np.ones(channels), quantization.zero_point, bounds, self.rounding)
        return self.viewed(self.channelwise(operator, value, identity, quantization, output=output), output)

    def require_same(self, operator: TfliteOperator, value: Map, output: TfliteTensor) -> Quantization:
        """The quantization that input and output of an operator without arithmetic must share."""
        source, target = self.quantization_of(value.tensor), activation_quantization(output)
        if not same_quantization(source, target):
            raise Refusal(
                f"its input has {source}, its output {target}, but {operator.operator} does not rescale",
                "give it the same scale and zero point at input and output",
            )
        return replace(target, unsigned=value.unsigned)


Handler = Callable[[GraphBuilder, TfliteOperator], Value]
"""What an operator's output stands for; adds layers to the graph."""
