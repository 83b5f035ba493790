"""Conv, Gemm, MatMul and pools of a QONNX model: sums of integers with one real factor for each channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .float_steps import apply_step
from .graph import HostStep
from .number_sets import place_values
from .onnx_builder import GraphBuilder, Handler, map_elements
from .onnx_constants import channel_scale, weight_matrix
from .onnx_layers import convolution, fully_connected
from .onnx_model import OnnxNode
from .onnx_numerics import Quantization
from .onnx_pools import POOLS, pool_window, refuse_indices
from .onnx_values import Accumulated, Chained, Constant, Hosted, Prepared, Reals, ScaledConstant, Source, Value
from .problem import Refusal
from .qonnx_chain import extended, unchanged_map
from .qonnx_constants import constant_reals, layer_weights
from .qonnx_elementwise import in_order, prepared
from .qonnx_quantization import new_input_map

__all__ = ["QONNX_LINEAR"]

ANNOTATE = (
    "put a Quant in front of it, or say which integers the input holds: annotate it with a finn_datatype such as INT8, UINT8 "
    "or BIPOLAR"
)


def _conv(build: GraphBuilder, node: OnnxNode) -> Value:
    weights = layer_weights(build, node, 1, 0)
    value = _activations(build, node)
    if isinstance(value, Prepared):
        raise Refusal("its input is real numbers that nothing quantizes", ANNOTATE)
    scale = channel_scale(weights, 0, weights.integers.shape[0])
    sums = convolution(build, node, value, weights, np.zeros(len(scale), np.int64), True)
    return _biased(build, node, _chained(build, sums, scale))


def _gemm(build: GraphBuilder, node: OnnxNode) -> Value:
    if float(node.attributes.get("alpha", 1.0)) != 1.0 or float(node.attributes.get("beta", 1.0)) != 1.0:
        raise Refusal("alpha and beta must be 1", "fold them into the weights and the bias before quantization")
    if int(node.attributes.get("transA", 0)):
        raise Refusal("its first operand is transposed", "use transA=0")
    return _product(build, node, bool(node.attributes.get("transB", 0)))


def _matmul(build: GraphBuilder, node: OnnxNode) -> Value:
    if isinstance(build.value(node, 0), ScaledConstant | Constant):
        raise Refusal("its first operand is constant", "multiply activations by a constant matrix, in this order")
    return _product(build, node, False)


def _product(build: GraphBuilder, node: OnnxNode, transposed: bool) -> Value:
    value = _activations(build, node)
    if isinstance(value, Prepared):
        # Real numbers of the input: the host multiplies, and the network begins behind the first quantizer.
        factors = constant_reals(build.value(node, 1))
        factors = factors.T if transposed else factors
        value = in_order(value)
        if factors.ndim != 2 or value.elements.shape != (1, factors.shape[0]):
            raise Refusal("its input is not one vector of its matrix's height", ANNOTATE)
        shape = (1, factors.shape[1])
        steps = (*value.steps, HostStep(kind="matmul", name=node.name, operand=factors))
        if node.input(2):
            bias = constant_reals(build.value(node, 2))
            steps = (*steps, HostStep(kind="add", name=node.name, operand=bias))
        elements = np.arange(shape[1], dtype=np.int64).reshape(shape)
        return Prepared(elements=elements, shape=shape, steps=steps)
    matrix, scale = weight_matrix(layer_weights(build, node, 1, 0 if transposed else 1), transposed)
    sums = fully_connected(build, node, value, matrix, scale, np.zeros(len(scale), np.int64), True)
    return _biased(build, node, _chained(build, sums, scale))


def _chained(build: GraphBuilder, sums: Accumulated, scale: NDArray[np.float32]) -> Chained:
    factor = np.float64(build.tensor_scale(sums.tensor)) * scale.astype(np.float64)
    return Chained(sums=sums, factor=factor, elements=sums.elements)


def _biased(build: GraphBuilder, node: OnnxNode, chained: Chained) -> Chained:
    if not node.input(2):
        return chained
    bias = constant_reals(build.value(node, 2)).ravel()
    if bias.size not in (1, len(chained.factor)):
        raise Refusal(f"its bias has {bias.size} values for {len(chained.factor)} outputs", "use one for each output")
    return extended(chained, HostStep(kind="add", name=node.name, operand=np.broadcast_to(bias, chained.factor.shape)))


def _activations(build: GraphBuilder, node: OnnxNode) -> Reals | Prepared:
    """What a layer reads: a map, or what the host computes from an input of which no more is known."""
    value = build.value(node, 0)
    if isinstance(value, Source | Prepared):
        value = prepared(value)
        return _annotated_input(build, node, value) if value.members is not None else value
    if isinstance(value, Chained) and value.copy and (reals := unchanged_map(build, value)) is not None:
        return reals
    if isinstance(value, Hosted):
        raise Refusal("its input is computed by the host, behind the last layer", "keep Softmax and ArgMax last")
    if not isinstance(value, Reals):
        raise Refusal("its input is not quantized", "put a Quant or BipolarQuant between the two layers")
    return value


def _annotated_input(build: GraphBuilder, node: OnnxNode, value: Prepared) -> Reals:
    """An input of known integers as a map, after the operators in front of the layer."""
    assert value.members is not None
    numbers = value.members
    for step in value.steps:
        if step.operand.size > (2 if step.kind == "batch_normalization" else 1):
            raise Refusal("its input is computed with a constant of several numbers, and not quantized", ANNOTATE)
        numbers = apply_step(step, numbers)
    distinct = np.unique(numbers)
    gaps = np.diff(distinct)
    scale = np.float32(gaps.min() if gaps.size else 1)
    binary = distinct.size == 2 and distinct[0] == -distinct[1]
    scale = np.float32(distinct[1]) if binary else scale
    integers = np.rint(distinct / scale).astype(np.int64)
    if not np.array_equal(integers.astype(np.float32) * scale, distinct):
        raise Refusal("its input's numbers are not multiples of one scale", ANNOTATE)
    try:
        kind, zero_point = place_values(int(integers.min()), int(integers.max()))
    except ValueError:
        raise Refusal("its input needs more than 8 bits", ANNOTATE) from None
    kind = "binary" if binary else kind
    quantization = Quantization(float(scale), zero_point, False)
    # The name is the input's own while the host changes nothing.
    name = node.input(0)
    return new_input_map(build, name, value, quantization, kind)


def _max_pool(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.value(node, 0)
    if isinstance(value, Chained) and value.copy:
        reals = unchanged_map(build, value)
        if reals is not None:
            build.values[node.inputs[0]] = value = reals
    if not isinstance(value, Chained):
        return POOLS["", "MaxPool"](build, node)
    refuse_indices(build, node)
    rows, columns, channels = value.sums.shape
    for _, frame, _ in value.pools:
        rows, columns = frame.output_extent(rows, columns)
    expected = _places(rows, columns, channels, value.elements.ndim)
    if value.elements.ndim not in (3, 4) or not np.array_equal(value.elements, expected):
        raise Refusal("the data must be rearranged in front of it", "pool the map in the layout of its layer")
    frame = pool_window(node, (rows, columns), value.elements.ndim - 2)
    rows, columns = frame.output_extent(rows, columns)
    elements = _places(rows, columns, channels, value.elements.ndim)
    return replace(value, elements=elements, pools=(*value.pools, (node.name, frame, len(value.steps))))


def _average(build: GraphBuilder, node: OnnxNode) -> Value:
    """AveragePool, GlobalAveragePool, ReduceMean: sums with weights 1, whose factor is the scale over the count."""
    build.values[node.inputs[0]] = _activations(build, node)  # a map, now that it has a reader that needs one
    sums = POOLS["", node.operator](build, node)
    assert isinstance(sums, Accumulated)
    factor = np.full(len(sums.bias), np.float64(build.tensor_scale(sums.tensor)) / sums.count)
    return Chained(sums=sums, factor=factor, elements=sums.elements)


def _places(rows: int, columns: int, channels: int, rank: int) -> NDArray[np.int64]:
    return map_elements((1, channels, *(rows, columns)[4 - rank :])) if rank in (3, 4) else np.zeros(0, np.int64)


QONNX_LINEAR: dict[tuple[str, str], Handler] = {
    ("", "Conv"): _conv,
    ("", "Gemm"): _gemm,
    ("", "MatMul"): _matmul,
    ("", "MaxPool"): _max_pool,
    ("", "AveragePool"): _average,
    ("", "GlobalAveragePool"): _average,
    ("", "ReduceMean"): _average,
}
"""Handlers by domain and operator."""
