"""Element-wise operators: Relu and Clip, which bound the layer in front of them, Add, and Mul by a constant."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .onnx_builder import GraphBuilder, Handler, dense
from .onnx_constants import QUANTIZE_REMEDY, scaled_constant
from .onnx_joins import sum_of_maps
from .onnx_layers import elementwise_layer
from .onnx_linear import add_bias
from .onnx_model import LARGEST_MAP, OnnxNode
from .onnx_numerics import Quantization, clip_bounds, clip_is_absorbed, dequantized, product_steps, quantized
from .onnx_quantization import dequantized_map
from .onnx_values import Accumulated, Constant, Integers, Reals, ScaledConstant, Unquantized, Value
from .problem import Refusal

__all__ = ["ELEMENTWISE"]


def _relu(build: GraphBuilder, node: OnnxNode) -> Value:
    return _bounded(build, node, 0.0, math.inf)


def _clip(build: GraphBuilder, node: OnnxNode) -> Value:
    bounds = [-math.inf, math.inf]
    for index, attribute in enumerate(("min", "max")):
        if node.input(index + 1):
            value = build.value(node, index + 1)
            if isinstance(value, ScaledConstant) and value.integers.size == 1:
                bounds[index] = float((value.integers * value.scale).reshape(()))
                continue
            bound = build.constant(node, index + 1, f"the bound {attribute}")
            if bound.size != 1:
                raise Refusal(f"the bound {attribute} must be one number", "correct the model")
            bounds[index] = float(bound.reshape(()))
        elif attribute in node.attributes:
            bounds[index] = float(node.attributes[attribute])
    if math.isnan(bounds[0]) or math.isnan(bounds[1]) or bounds[0] > bounds[1]:
        raise Refusal(f"its bounds {bounds[0]:g} and {bounds[1]:g} are not ascending", "correct the model")
    return _bounded(build, node, *bounds)


def _bounded(build: GraphBuilder, node: OnnxNode, minimum: float, maximum: float) -> Value:
    value = build.value(node, 0)
    if isinstance(value, Accumulated) and build.model.uses[node.input(0)] != 1:
        value = replace(value, reasons=(*value.reasons, "its sums are used without the Relu or Clip too"))
    if isinstance(value, Reals):
        exclusive = value.exclusive and build.model.uses[node.outputs[0]] == 1
        value = replace(value, direct=False, exclusive=exclusive)
    if isinstance(value, Unquantized) and build.model.uses[node.input(0)] != 1:
        value = replace(value, direct=False)
    if isinstance(value, Accumulated | Unquantized | Reals):
        low = min(max(value.minimum, minimum), maximum)
        return replace(value, minimum=low, maximum=max(low, min(value.maximum, maximum)))
    raise Refusal("its input is not the result of a quantized layer", QUANTIZE_REMEDY)


def _add(build: GraphBuilder, node: OnnxNode) -> Value:
    values = [build.value(node, 0), build.value(node, 1)]
    constants = sum(isinstance(value, Constant | ScaledConstant) for value in values)
    if constants and any(isinstance(value, Accumulated) for value in values):
        return add_bias(build, node)
    if constants:
        raise Refusal(
            "it adds a constant to a map", "fold it into the bias of the convolution in front of it (quant_pre_process)"
        )
    return sum_of_maps(build, node)


def _mul(build: GraphBuilder, node: OnnxNode) -> Value:
    index, value = _factor(build, node, 0, 1)
    if not isinstance(value, Constant | ScaledConstant):
        raise Refusal("it multiplies two maps", "only products with a constant are supported")
    map_value, reasons = dequantized_map(build, node, 1 - index)
    fused = not reasons and build.model.uses[node.outputs[0]] == 1
    return _product(build, node, 1 - index, value, map_value.signed if fused else None)


def _qlinear_mul(build: GraphBuilder, node: OnnxNode) -> Value:
    index, value = _factor(build, node, 0, 3)
    if not isinstance(value, Constant):
        raise Refusal("it multiplies two maps", "only products with a constant are supported")
    zeros = build.constant(node, index + 2, "the zero point") if node.input(index + 2) else np.zeros((), np.uint8)
    factor = scaled_constant(value.array, build.constant(node, index + 1, "the scale"), zeros, 1)
    build.integers(node, 3 - index, 4 - index, 5 - index)
    quantization = build.output_quantization(node)
    signed = not quantization.unsigned
    product = _product(build, node, 3 - index, factor, signed)
    return product.finish(product, node.outputs[0], quantization, signed)


def _factor(build: GraphBuilder, node: OnnxNode, first: int, second: int) -> tuple[int, Value]:
    """The operand that is constant, and its index."""
    value = build.value(node, first)
    return (first, value) if isinstance(value, Constant | ScaledConstant) else (second, build.value(node, second))


def _product(
    build: GraphBuilder, node: OnnxNode, index: int, factor: Constant | ScaledConstant, signed: bool | None
) -> Unquantized:
    """A map times a constant; ``signed`` is the map's where ONNX Runtime can fuse the node, else None."""
    value = build.value(node, index)
    assert isinstance(value, Integers | Reals)
    if dense(value.elements).ndim in (3, 4):
        build.as_map(value.tensor, value.elements)
        value = build.value(node, index)
        assert isinstance(value, Integers | Reals)
    tensor, elements = value.tensor, value.elements
    build.claimed.add(tensor)
    channels = build.result.tensors[tensor].shape[2]
    if channels * 512 > LARGEST_MAP:
        raise Refusal(f"its map has {channels} channels", f"multiply maps of at most {LARGEST_MAP // 512} channels")
    if isinstance(factor, ScaledConstant):
        along = [1] * factor.integers.ndim
        if factor.scale.ndim:
            along[factor.axis] = factor.scale.size
        real = _per_channel((factor.integers.astype(np.float32) * factor.scale.reshape(along)), elements, channels)
        integers = _per_channel(factor.integers, elements, channels)
        fused = signed is not None and factor.scale.ndim == 0 and not factor.moved and factor.unsigned != signed
    elif factor.array.dtype == np.float32:
        real, integers, fused = _per_channel(factor.array, elements, channels), np.zeros(channels, np.int64), False
    else:
        raise Refusal(f"its constant is {factor.array.dtype}", "use a float32 or a quantized constant")
    if not np.isfinite(real).all():
        raise Refusal("its constant is not finite", "correct the model")

    def finish(value: Unquantized, output: str, y: Quantization, kernel_signed: bool) -> Integers:
        x = build.quantization_of(tensor)
        low, high = clip_bounds(value.minimum, value.maximum, y.scale, y.zero_point)
        absorbed = clip_is_absorbed(value.minimum, value.maximum, y.scale, y.zero_point)
        places = np.arange(-128, 128)
        if fused and absorbed and value.direct and kernel_signed == signed:
            assert isinstance(factor, ScaledConstant)
            products = (places - x.zero_point) * integers[:, None]
            steps = product_steps(products, np.float32(x.scale), np.float32(factor.scale), y, not kernel_signed)
        else:
            steps = quantized(dequantized(places, x) * real[:, None].astype(np.float32), y)
        slope = real.astype(np.float64) * x.scale / y.scale
        elementwise_layer(build, node.name, node.operator, tensor, output, steps, slope, y, (low, high))
        shape = build.result.tensors[tensor].shape
        return build.new_map(output, shape, value.elements, y)

    return Unquantized(elements=elements, finish=finish)


def _per_channel(array: NDArray[Any], elements: NDArray[np.int64], channels: int) -> NDArray[Any]:
    """A constant operand as one number for each channel of a map; refuses one that changes along rows or columns."""
    if array.size == 1:
        return np.full(channels, array.reshape(()))
    shape = (1,) * (elements.ndim - array.ndim) + array.shape
    if len(shape) != elements.ndim or shape[1] != elements.shape[1] or array.size != shape[1] or shape[1] != channels:
        raise Refusal(
            f"its constant has shape {'x'.join(map(str, array.shape))}, not one number or one for each channel",
            "multiply by one number for each channel",
        )
    return array.ravel()


ELEMENTWISE: dict[tuple[str, str], Handler] = {
    ("", "Relu"): _relu,
    ("", "Clip"): _clip,
    ("", "Add"): _add,
    ("", "Mul"): _mul,
    ("com.microsoft", "QLinearMul"): _qlinear_mul,
}
"""Handlers by domain and operator."""
