"""QuantizeLinear and DequantizeLinear: where integers become real numbers and back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import Add, Convolution
from .onnx_builder import GraphBuilder, Handler, input_elements
from .onnx_constants import QUANTIZE_REMEDY, scaled_constant
from .onnx_host_steps import dequantize_on_host, quantize_on_host
from .onnx_layers import NARROW_REASON, SIGNED_REASON, finish_layer
from .onnx_model import OnnxNode
from .onnx_numerics import Quantization, clip_bounds
from .onnx_values import Accumulated, Constant, Hosted, Integers, Reals, ScaledConstant, Source, Unquantized, Value
from .problem import Refusal

__all__ = ["QUANTIZATION", "dequantized_map", "dequantized_weights"]


def _quantize(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.value(node, 0)
    quantization = build.quantization(node, 1, 2)
    name = node.outputs[0]
    if isinstance(value, Source):
        key = (quantization, value.elements.tobytes())
        if key not in build.quantized_inputs:
            if build.quantized_inputs:
                raise Refusal("the input is quantized twice in different ways", "quantize the input once")
            build.new_input(name, value.elements, quantization)
            build.quantized_inputs[key] = name
            return Integers(name, input_elements(value.elements))
        return build.values[build.quantized_inputs[key]]
    if isinstance(value, Accumulated):
        return finish_layer(build, value, node, quantization)
    if isinstance(value, Unquantized):
        if quantization.bits == 4:
            raise Refusal("its output has 4 bits", "quantize what is added, multiplied or concatenated to 8 bits")
        return value.finish(value, name, quantization, not quantization.unsigned and build.stays_signed(name))
    if isinstance(value, Reals):
        return _quantize_again(build, value, node, quantization)
    if isinstance(value, Hosted):
        return quantize_on_host(value, node.name, quantization)
    raise Refusal("it quantizes a constant", "store the quantized numbers as an initializer (constant folding)")


def _quantize_again(build: GraphBuilder, value: Reals, node: OnnxNode, wanted: Quantization) -> Value:
    tensor, present = build.result.tensors[value.tensor], build.quantization_of(value.tensor)
    if wanted != present:
        raise Refusal(
            f"it changes the quantization of an existing map from scale {present.scale:g}, zero point "
            f"{present.stated_zero_point} to scale {wanted.scale:g}, zero point {wanted.stated_zero_point}",
            "give pooling, Relu, Clip and reshaping the same scale and zero point at input and output",
        )
    name = node.outputs[0]
    low, high = clip_bounds(value.minimum, value.maximum, wanted.scale, wanted.zero_point)
    exclusive = value.exclusive and build.model.uses[name] == 1
    if low <= wanted.limits[0] and wanted.limits[1] <= high:
        return Integers(value.tensor, value.elements, exclusive)
    layers = [index for index, layer in enumerate(build.result.nodes) if layer.output == value.tensor]
    layer = build.result.nodes[layers[0]] if layers else None
    if not isinstance(layer, Convolution | Add) or not value.exclusive:
        raise Refusal(
            "a Relu or Clip between two quantizations can only join the one layer in front of it",
            "put the Relu or Clip between the convolution and its QuantizeLinear",
        )
    rule = layer if isinstance(layer, Add) else layer.requantization
    low, high = max(low, rule.low), max(min(high, rule.high), max(low, rule.low))
    if isinstance(layer, Add):
        build.result.nodes[layers[0]] = replace(layer, table=layer.table.clip(low, high), low=low, high=high)
    else:
        clamped = replace(layer.requantization, low=low, high=high)
        build.result.nodes[layers[0]] = replace(layer, requantization=clamped)
    build.result.tensors[value.tensor] = replace(tensor, reference=name, reference_shape=value.elements.shape)
    return Integers(value.tensor, value.elements, exclusive)


def _dequantize(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.value(node, 0)
    if isinstance(value, Constant):
        return _scaled_constant(build, value.array, node)
    if isinstance(value, Hosted):
        return dequantize_on_host(value, build.quantization(node, 1, 2))
    integers = build.integers(node, 0, 1, 2)
    exclusive = integers.exclusive and build.model.uses[node.outputs[0]] == 1
    unsigned = build.result.tensors[integers.tensor].unsigned
    signed = not unsigned and build.stays_signed(node.input(0))
    return Reals(integers.tensor, integers.elements, exclusive, signed=signed)


def _scaled_constant(build: GraphBuilder, array: NDArray[Any], node: OnnxNode) -> ScaledConstant:
    if int(node.attributes.get("block_size", 0)):
        raise Refusal("blocked quantization is not supported", "quantize weights per tensor or per channel")
    scale = build.constant(node, 1, "the scale")
    zero_point = build.constant(node, 2, "the zero point") if node.input(2) else np.zeros((), array.dtype)
    axis = int(node.attributes.get("axis", 1))
    return replace(scaled_constant(array, scale, zero_point, axis), narrow=str(array.dtype) in ("int4", "uint4"))


def dequantized_map(build: GraphBuilder, node: OnnxNode, index: int = 0) -> tuple[Reals, tuple[str, ...]]:
    """An input that must be a dequantized map, and the reasons why ONNX Runtime does not fuse its reader."""
    value = build.value(node, index)
    if isinstance(value, Hosted):
        raise Refusal(
            "its input is computed by the host, behind the last layer", "keep Softmax, Sigmoid and ArgMax last"
        )
    if not isinstance(value, Reals):
        raise Refusal(
            "its input is not dequantized int8 or uint8",
            "insert QuantizeLinear and DequantizeLinear in front of it: " + QUANTIZE_REMEDY,
        )
    if value.minimum > -math.inf or value.maximum < math.inf:
        raise Refusal(
            "a Relu or Clip in front of it is not quantized", "quantize the Relu or Clip together with its producer"
        )
    reasons: tuple[str, ...] = () if value.direct else ("its input is reshaped or pooled after DequantizeLinear",)
    if build.result.tensors[value.tensor].format == "int4":
        reasons += (NARROW_REASON,)
    if value.signed:
        reasons += (f"its int8 input has several readers, {SIGNED_REASON}",)
    return value, reasons


def dequantized_weights(build: GraphBuilder, node: OnnxNode, index: int) -> tuple[ScaledConstant, tuple[str, ...]]:
    """An input that must be quantized weights, and the reasons why ONNX Runtime does not fuse its reader."""
    value = build.value(node, index)
    if not isinstance(value, ScaledConstant):
        raise Refusal("its weights are not quantized constants", QUANTIZE_REMEDY)
    reasons: tuple[str, ...] = ("its weights are transposed after DequantizeLinear",) if value.moved else ()
    return value, (*reasons, NARROW_REASON) if value.narrow else reasons


QUANTIZATION: dict[tuple[str, str], Handler] = {
    ("", "QuantizeLinear"): _quantize,
    ("", "DequantizeLinear"): _dequantize,
    ("com.microsoft", "QuantizeLinear"): _quantize,
    ("com.microsoft", "DequantizeLinear"): _dequantize,
}
"""Handlers by domain and operator."""
