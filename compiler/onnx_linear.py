"""Conv, Gemm, MatMul and the Add of a bias, in QDQ and in QLinear form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .onnx_builder import GraphBuilder, Handler
from .onnx_constants import bias_integers, channel_scale, scaled_constant, weight_matrix
from .onnx_layers import convolution, finish_layer, fully_connected
from .onnx_model import OnnxNode
from .onnx_quantization import dequantized_map, dequantized_weights
from .onnx_values import Accumulated, Constant, Reals, ScaledConstant, Value
from .problem import Refusal

__all__ = ["LINEAR", "add_bias"]


def _conv(build: GraphBuilder, node: OnnxNode) -> Value:
    activations, input_reasons = dequantized_map(build, node)
    weights, weight_reasons = dequantized_weights(build, node, 1)
    scale = build.tensor_scale(activations.tensor)
    bias, biased = _bias(build, node, 2, scale, channel_scale(weights, 0, weights.integers.shape[0]))
    return convolution(build, node, activations, weights, bias, biased, input_reasons + weight_reasons)


def _gemm(build: GraphBuilder, node: OnnxNode) -> Value:
    activations, input_reasons = dequantized_map(build, node)
    weights, weight_reasons = dequantized_weights(build, node, 1)
    _check_gemm(node)
    matrix, scale = weight_matrix(weights, bool(node.attributes.get("transB", 0)))
    bias, biased = _bias(build, node, 2, build.tensor_scale(activations.tensor), scale)
    return fully_connected(build, node, activations, matrix, scale, bias, biased, input_reasons + weight_reasons)


def _matmul(build: GraphBuilder, node: OnnxNode) -> Value:
    if isinstance(build.value(node, 0), ScaledConstant | Constant):
        raise Refusal("its first operand is constant", "multiply activations by a constant matrix, in this order")
    if isinstance(build.value(node, 1), Reals):
        raise Refusal("it multiplies two activations", "only products with constant weights are supported")
    activations, input_reasons = dequantized_map(build, node)
    weights, weight_reasons = dequantized_weights(build, node, 1)
    matrix, scale = weight_matrix(weights, False)
    bias = np.zeros(matrix.shape[1], np.int64)
    return fully_connected(build, node, activations, matrix, scale, bias, False, input_reasons + weight_reasons)


def add_bias(build: GraphBuilder, node: OnnxNode) -> Value:
    """Add of a constant to the sums of a layer: its bias."""
    values = [build.value(node, 0), build.value(node, 1)]
    sums = [value for value in values if isinstance(value, Accumulated)]
    constants = [value for value in values if isinstance(value, Constant | ScaledConstant)]
    if len(sums) != 1 or len(constants) != 1 or sums[0].biased or sums[0].count:
        raise Refusal(
            "it adds a constant to sums that have a bias already, or to an average",
            "only the bias of a MatMul can be added (quant_pre_process fuses MatMul and Add to Gemm)",
        )
    total = sums[0]
    bias = bias_integers(constants[0], (build.tensor_scale(total.tensor) * total.weight_scale).astype(np.float32))
    reasons = total.reasons
    if total.operator != "MatMul" or build.model.uses[node.inputs[values.index(total)]] != 1:
        reasons += ("ONNX Runtime adds its bias in float32",)
    return replace(total, bias=bias, biased=True, reasons=reasons)


def _qlinear_conv(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.integers(node, 0, 1, 2)
    weights = _stated_weights(build, node, 3, 4, 5, 0)
    bias = _stated_bias(build, node, 8, weights.integers.shape[0])
    total = convolution(build, node, value, weights, bias, True)
    return finish_layer(build, total, node, build.output_quantization(node))


def _qlinear_matmul(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.integers(node, 0, 1, 2)
    matrix, scale = weight_matrix(_stated_weights(build, node, 3, 4, 5, 1), False)
    total = fully_connected(build, node, value, matrix, scale, np.zeros(matrix.shape[1], np.int64), True)
    return finish_layer(build, total, node, build.output_quantization(node))


def _qgemm(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.integers(node, 0, 1, 2)
    _check_gemm(node)
    transposed = bool(node.attributes.get("transB", 0))
    matrix, scale = weight_matrix(_stated_weights(build, node, 3, 4, 5, 0 if transposed else 1), transposed)
    bias = _stated_bias(build, node, 6, matrix.shape[1])
    if not node.input(7):
        raise Refusal("its output is float32", "give it an output scale and zero point")
    total = fully_connected(build, node, value, matrix, scale, bias, True)
    return finish_layer(build, total, node, build.output_quantization(node))


def _bias(
    build: GraphBuilder, node: OnnxNode, index: int, x_scale: np.float32, weight_scale: NDArray[np.float32]
) -> tuple[NDArray[np.int64], bool]:
    """A bias as integers in units of the accumulator, and whether there is one."""
    if not node.input(index):
        return np.zeros(len(weight_scale), np.int64), False
    value = build.value(node, index)
    return bias_integers(value, (x_scale * weight_scale).astype(np.float32)), True


def _stated_weights(
    build: GraphBuilder, node: OnnxNode, index: int, scale: int, zero_point: int, axis: int
) -> ScaledConstant:
    array = build.constant(node, index, "the weights")
    if array.dtype not in (np.int8, np.uint8):
        raise Refusal(f"its weights are {array.dtype}", "quantize weights to int8")
    scales = build.constant(node, scale, "the weight scale")
    zeros = (
        build.constant(node, zero_point, "the weight zero point")
        if node.input(zero_point)
        else np.zeros((), array.dtype)
    )
    return scaled_constant(array, scales, zeros, axis)


def _stated_bias(build: GraphBuilder, node: OnnxNode, index: int, outputs: int) -> NDArray[np.int64]:
    if not node.input(index):
        return np.zeros(outputs, np.int64)
    bias = build.constant(node, index, "the bias")
    if bias.dtype != np.int32 or bias.size not in (1, outputs):
        raise Refusal(f"its bias is {bias.dtype} of {bias.size} values", f"use int32, {outputs} values")
    return np.broadcast_to(bias.ravel().astype(np.int64), outputs).copy()


def _check_gemm(node: OnnxNode) -> None:
    if float(node.attributes.get("alpha", 1.0)) != 1.0 or float(node.attributes.get("beta", 1.0)) != 1.0:
        raise Refusal("alpha and beta must be 1", "fold them into the weights and the bias before quantization")
    if int(node.attributes.get("transA", 0)):
        raise Refusal("its first operand is transposed", "use transA=0")


LINEAR: dict[tuple[str, str], Handler] = {
    ("", "Conv"): _conv,
    ("", "Gemm"): _gemm,
    ("", "MatMul"): _matmul,
    ("", "QLinearConv"): _qlinear_conv,
    ("", "QLinearMatMul"): _qlinear_matmul,
    ("com.microsoft", "QGemm"): _qgemm,
}
"""Handlers by domain and operator."""
