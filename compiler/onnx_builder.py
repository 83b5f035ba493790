"""The integer graph under construction, and what each tensor of the ONNX model stands for while the model is walked."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from .graph import Graph, Tensor
from .onnx_model import LARGEST_MAP, OnnxModel, OnnxNode
from .onnx_numerics import Quantization
from .onnx_values import Constant, Hosted, Integers, Reals, Unknown, Value
from .problem import Problem, Refusal

__all__ = [
    "ACTIVATION_TYPES",
    "GraphBuilder",
    "Handler",
    "OUTPUT_QUANTIZATION",
    "Skipped",
    "dense",
    "input_elements",
    "map_elements",
    "map_shape",
]

ACTIVATION_TYPES = {TensorProto.UINT8: True, TensorProto.INT8: False}
_NARROW_TYPES = {TensorProto.UINT4: 8, TensorProto.INT4: 0}
"""Types of 4 bits, and what the graph takes off them."""
OUTPUT_QUANTIZATION = {
    "QuantizeLinear": (1, 2),
    "QLinearConv": (6, 7),
    "QLinearMatMul": (6, 7),
    "QGemm": (7, 8),
    "QLinearAveragePool": (3, 4),
    "QLinearGlobalAveragePool": (3, 4),
    "QLinearAdd": (6, 7),
    "QLinearMul": (6, 7),
    "QLinearConcat": (0, 1),
    "QLinearSoftmax": (3, 4),
    "QLinearSigmoid": (3, 4),
}
"""Where an operator that makes a quantized map has the scale and zero point of its output."""
_TYPES = {
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
    "uint4": TensorProto.UINT4,
    "int4": TensorProto.INT4,
}
"""Element types of activations by the name of their numpy type."""


class Skipped(Exception):
    """A node depends on one that has a problem already."""


class GraphBuilder:
    """Builds ``result``, the graph, while ``values`` tells what each tensor of the source model stands for.

    ``claimed`` holds the tensors whose map shape a layer relies on, ``problems`` what was found so far, ``readers`` and
    ``makers`` the nodes of the source model by tensor. Methods raise
    Refusal for a rule that is not met and Skipped where an earlier problem hides the value.
    """

    def __init__(self, model: OnnxModel) -> None:
        self.model = model
        self.values: dict[str, Value] = {name: Constant(array) for name, array in model.constants.items()}
        self.result = Graph(name=model.name, source=model.source)
        self.claimed: set[str] = set()
        self.problems: list[Problem] = []
        self.quantized_inputs: dict[tuple[Quantization, bytes], str] = {}
        self.readers: defaultdict[str, list[OnnxNode]] = defaultdict(list)
        self.makers: dict[str, OnnxNode] = {}
        for node in model.nodes:
            for name in set(node.inputs):
                self.readers[name].append(node)
            self.makers.update(dict.fromkeys(node.outputs, node))

    def value(self, node: OnnxNode, index: int) -> Value:
        """What an input of the node stands for."""
        name = node.input(index)
        value = self.values.get(name)
        if value is None:
            raise Refusal(f"input {index} is missing", "correct the model")
        if isinstance(value, Unknown):
            raise Skipped
        return value

    def constant(self, node: OnnxNode, index: int, what: str) -> NDArray[Any]:
        """The numbers of an input that must be constant; ``what`` names it in the message."""
        value = self.value(node, index)
        if not isinstance(value, Constant):
            raise Refusal(f"{what} must be a constant", "make it an initializer of the model")
        return value.array

    def quantization(self, node: OnnxNode, scale_index: int, zero_index: int) -> Quantization:
        """The quantization of an activation that a node states."""
        scale = self.constant(node, scale_index, "the scale")
        if scale.size != 1:
            raise Refusal("activations must have one scale for the whole tensor", "quantize activations per tensor")
        if scale.dtype != np.float32:
            raise Refusal(f"the scale is {scale.dtype}, not float32", "export the model with float32 scales")
        value = float(scale.reshape(()))
        if not (math.isfinite(value) and value > 0.0):
            raise Refusal(f"the scale {value} is not positive", "quantize again with more calibration data")
        if int(node.attributes.get("block_size", 0)):
            raise Refusal("blocked quantization is not supported", "quantize activations per tensor")
        if node.input(zero_index):
            zero_point = self.constant(node, zero_index, "the zero point")
            name = str(zero_point.dtype)
            element = _TYPES.get(name, 0)
            if zero_point.size != 1:
                raise Refusal("activations must have one zero point", "quantize activations per tensor")
            integer = int(zero_point.reshape(())) if element else 0
        else:
            element = int(node.attributes.get("output_dtype", 0)) or TensorProto.UINT8
            if node.operator == "DequantizeLinear":
                element = self.model.type(node.input(0)).element or TensorProto.UINT8
            name, integer = TensorProto.DataType.Name(element).lower(), 0
        if element in _NARROW_TYPES:
            return Quantization(value, integer - _NARROW_TYPES[element], False, 4)
        if element not in ACTIVATION_TYPES:
            raise Refusal(
                f"activations are {name}, only integers of 8 and 4 bits are supported", "quantize activations to 8 bits"
            )
        unsigned = ACTIVATION_TYPES[element]
        return Quantization(value, integer - 128 if unsigned else integer, unsigned)

    def output_quantization(self, node: OnnxNode) -> Quantization:
        """The quantization of the output of one of OUTPUT_QUANTIZATION's operators."""
        return self.quantization(node, *OUTPUT_QUANTIZATION[node.operator])

    def stays_signed(self, name: str) -> bool:
        """Whether ONNX Runtime's kernels keep this int8 result of QuantizeLinear (see ``Reals.signed``)."""
        if name not in self.makers or self.makers[name].operator != "QuantizeLinear":
            return True
        readers = self.readers[name]
        single = self.model.uses[name] == 1 and len(readers) == 1 and readers[0].operator == "DequantizeLinear"
        return not single or self.model.uses[readers[0].outputs[0]] != 1

    def integers(self, node: OnnxNode, index: int, scale_index: int, zero_index: int) -> Integers:
        """A quantized input whose scale and zero point the node states; they must be those of its producer."""
        value = self.value(node, index)
        if not isinstance(value, Integers):
            raise Refusal("its input is not a quantized map", "feed it uint8 or int8 activations")
        stated = self.quantization(node, scale_index, zero_index)
        tensor = self.result.tensors[value.tensor]
        if math.isnan(tensor.scale):
            # An integer input, maybe behind max pools: its first reader tells the quantization.
            for name, other in self.result.tensors.items():
                if math.isnan(other.scale):
                    self.result.tensors[name] = replace(other, scale=stated.scale, zero_point=stated.zero_point)
        written = self.quantization_of(value.tensor)
        if stated != written:
            raise Refusal(
                f"it reads {node.input(index)!r} with scale {stated.scale:g} and zero point {stated.stated_zero_point}, but that "
                f"was written with {written.scale:g} and {written.stated_zero_point}",
                "use the same scale and zero point on both sides",
            )
        return value

    def new_input(self, name: str, source: NDArray[np.int64], quantization: Quantization) -> None:
        """The graph's input map, in the order of the source model until a layer asks for another."""
        self.result.input = name
        self.result.input_order = source.ravel()
        self.add_tensor(name, (1, 1, source.size), source.shape, quantization)

    def add_tensor(
        self,
        name: str,
        shape: tuple[int, int, int],
        reference_shape: tuple[int, ...],
        quantization: Quantization,
    ) -> None:
        """A tensor of the graph that the source model has, too."""
        if math.prod(shape) > LARGEST_MAP:
            raise Refusal(
                f"the map {name!r} has {math.prod(shape)} elements", f"use maps of at most {LARGEST_MAP} elements"
            )
        self.result.tensors[name] = Tensor(
            name=name,
            shape=shape,
            scale=quantization.scale,
            zero_point=quantization.zero_point,
            unsigned=quantization.unsigned,
            reference=name,
            reference_shape=reference_shape,
            format="int4" if quantization.bits == 4 else "int8",
        )

    def new_map(
        self,
        name: str,
        shape: tuple[int, int, int],
        elements: NDArray[np.int64],
        quantization: Quantization,
    ) -> Integers:
        """The result of a node of the graph."""
        self.add_tensor(name, shape, elements.shape, quantization)
        return Integers(name, elements, self.model.uses[name] == 1)

    def quantization_of(self, tensor: str) -> Quantization:
        """The quantization of a map of the graph."""
        known = self.result.tensors[tensor]
        return Quantization(known.scale, known.zero_point, known.unsigned, 4 if known.format == "int4" else 8)

    def tensor_scale(self, tensor: str) -> np.float32:
        return np.float32(self.result.tensors[tensor].scale)

    def as_map(self, tensor: str, elements: NDArray[np.int64]) -> tuple[int, int, int]:
        """The shape of a map that a layer reads as (1, C, H, W) or (1, C, L); refuses a layout that is not in memory."""
        if elements.ndim not in (3, 4) or elements.shape[0] != 1:
            raise Refusal(
                f"its input has shape {'x'.join(map(str, elements.shape))}, not 1 x channels x height x width",
                "use one- or two-dimensional maps and batch 1",
            )
        order = np.moveaxis(dense(elements)[0], 0, -1)
        shape = (1, *order.shape) if order.ndim == 2 else order.shape
        flat = order.ravel()
        known = self.result.tensors[tensor]
        if tensor == self.result.input and tensor not in self.claimed and flat.size == math.prod(known.shape):
            self.arrange_input(flat)
        elif shape != known.shape or not np.array_equal(flat, np.arange(flat.size)):
            raise Refusal(
                "the data must be rearranged in front of it (Reshape or Transpose of a map)",
                "keep the layout of the producing layer, or rearrange the network's input only",
            )
        result = (int(shape[0]), int(shape[1]), int(shape[2]))
        self.result.tensors[tensor] = replace(self.result.tensors[tensor], shape=result)
        self.claimed.add(tensor)
        return result

    def arrange_input(self, order: NDArray[np.int64]) -> None:
        """Let the host lay the input out so that map element i is the present element ``order[i]``."""
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        self.result.input_order = self.result.input_order[order]
        for name, value in self.values.items():
            if isinstance(value, Integers | Reals | Hosted) and value.tensor == self.result.input:
                self.values[name] = replace(value, elements=place[value.elements])


Handler = Callable[[GraphBuilder, OnnxNode], Value]
"""Turns one node into the value of its first output."""


def dense(elements: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of the elements of a map that a node reads as it is; refuses padding."""
    if elements.size and elements.min() < 0:
        raise Refusal(
            "its input is padded by a Pad that no convolution can take over", "let a convolution read the padded map"
        )
    return elements


def input_elements(elements: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places in a new input map that holds the elements in their present order."""
    return np.arange(elements.size, dtype=np.int64).reshape(elements.shape)


def map_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(1, C), (1, C, L) or (1, C, H, W) as height, width, channels."""
    height, width = ((1, 1, *shape[2:]))[-2:]
    return height, width, shape[1]


def map_elements(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Places of the elements of a (1, C, ...) tensor in its (..., C) map."""
    order = np.arange(math.prod(shape), dtype=np.int64).reshape(*shape[2:], shape[1])
    return np.moveaxis(order, -1, 0)[None]
