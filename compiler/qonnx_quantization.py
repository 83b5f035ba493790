"""Quant, IntQuant, BipolarQuant, Trunc and MultiThreshold: weights, the network's input, and the outputs of layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .float_steps import apply_step
from .graph import Convolution
from .onnx_builder import GraphBuilder, Handler, dense, input_elements
from .onnx_constants import LARGEST_CONSTANT
from .onnx_model import QONNX, OnnxNode
from .onnx_numerics import Quantization
from .onnx_values import Chained, Constant, Hosted, Prepared, Reals, ScaledConstant, Source, Summed, Value
from .problem import Refusal
from .qonnx_chain import chain_values, channel_operand, copy_of_map, extended, held_bounds, sum_bounds
from .qonnx_constants import constant_reals, quantized_constant
from .qonnx_elementwise import prepared
from .qonnx_joins import quantized_sum
from .qonnx_layers import quantized_layer
from .qonnx_quantizers import (
    Bipolar,
    Quantizer,
    Thresholds,
    Truncation,
    Uniform,
    held_range,
    positive_scale,
    rounding_mode,
)
from .two_lines import has_no_line

__all__ = ["QONNX_QUANTIZATION", "new_input_map"]


def _quant(build: GraphBuilder, node: OnnxNode) -> Value:
    value, scale = build.value(node, 0), _scale(build, node)
    zero_point, bits = (_whole(build, node, index, what) for index, what in ((2, "zero point"), (3, "bit width")))
    signed, narrow = bool(node.attributes.get("signed", 1)), bool(node.attributes.get("narrow", 1))
    rounding = rounding_mode(node.attributes.get("rounding_mode", "ROUND"))
    if not 1 <= bits <= 32:
        raise Refusal(f"a bit width of {bits}", "use 1 to 8 bits")
    low, high = _range(bits, signed, narrow)
    quantizer: Quantizer
    if bits == 1 and signed:
        if zero_point:
            raise Refusal("one signed bit with a zero point", "use a zero point of 0, or BipolarQuant")
        quantizer = Bipolar(scale=float(scale.ravel()[0]))
    else:
        if not low <= zero_point <= high:
            raise Refusal(f"the zero point {zero_point} is outside {low}..{high}", "quantize again")
        quantizer = Uniform(scale=float(scale.ravel()[0]), zero_point=zero_point, low=low, high=high, rounding=rounding)
    return _quantized(build, node, value, quantizer, scale)


def _range(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    if signed:
        return -(1 << bits - 1) + narrow, (1 << bits - 1) - 1
    return 0, (1 << bits) - 1 - narrow


def _bipolar(build: GraphBuilder, node: OnnxNode) -> Value:
    value, scale = build.value(node, 0), _scale(build, node)
    return _quantized(build, node, value, Bipolar(scale=float(scale.ravel()[0])), scale)


def _trunc(build: GraphBuilder, node: OnnxNode) -> Value:
    """Trunc of version 1 (input and output bits) and of version 2 (output scale and bits, clamped)."""
    value, scale = build.value(node, 0), _scale(build, node)
    if _whole(build, node, 2, "zero point"):
        raise Refusal("it truncates numbers with a zero point", "use a zero point of 0")
    rounding = rounding_mode(node.attributes.get("rounding_mode", "FLOOR"))
    first = _single(scale)
    input_bits = _whole(build, node, 3, "input bit width")
    if len(node.inputs) >= 7:
        output_scale = _single(_scale(build, node, 4))
        if _whole(build, node, 5, "output zero point"):
            raise Refusal("it truncates numbers with a zero point", "use a zero point of 0")
        bits = _whole(build, node, 6, "output bit width")
        divisor = 2.0 ** float(np.rint(np.log2(output_scale / first)))
        low, high = _range(bits, bool(node.attributes.get("signed", 1)), bool(node.attributes.get("narrow", 0)))
    else:
        bits = _whole(build, node, 4, "output bit width")
        divisor, output_scale = 2.0 ** (input_bits - bits), first
        low, high = -(1 << 15), 1 << 15
    if not 1 <= bits <= input_bits <= 32:
        raise Refusal(f"it truncates {input_bits} bits to {bits}", "keep fewer bits than there are")
    quantizer = Truncation(
        scale=output_scale, zero_point=0, low=low, high=high, input_scale=first, divisor=divisor, rounding=rounding
    )
    if isinstance(value, Reals):
        value = copy_of_map(build, node, 0)
    if not isinstance(value, Chained):
        raise Refusal("it truncates something else than the results of a layer", "let it follow a layer")
    if len(node.inputs) < 7:
        # Version 1 does not clamp: what the sums can be decides.
        ends = quantizer.codes(chain_values(value, np.stack(sum_bounds(build, value.sums))))
        quantizer = replace(quantizer, low=int(ends.min()), high=max(int(ends.max()), int(ends.min()) + 1))
    return _quantized(build, node, value, quantizer, scale)


def _multithreshold(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.value(node, 0)
    table = constant_reals(build.value(node, 1))
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise Refusal("its thresholds are not a table of numbers, channels x levels", "correct the model")
    if (np.diff(table, axis=1) < 0).any():
        row = int((np.diff(table, axis=1) < 0).any(1).argmax())
        raise Refusal(f"the thresholds of channel {row} are not monotone", "sort the thresholds of each channel")
    layout = node.attributes.get("data_layout", b"NCHW")
    layout = layout.decode(errors="replace") if isinstance(layout, bytes) else str(layout)
    if layout not in ("NCHW", "NC") and not (
        layout == "NHWC" and isinstance(value, Chained | Summed | Reals) and value.elements.ndim == 2
    ):
        raise Refusal(f"data_layout {layout[:20]!r} is not supported", "use NCHW")
    scale = positive_scale(float(np.float32(node.attributes.get("out_scale", 1.0))))
    bias = float(np.float32(node.attributes.get("out_bias", 0.0)))
    if isinstance(value, Reals):
        value = copy_of_map(build, node, 0)
    if not isinstance(value, Chained | Summed):
        raise Refusal(
            "it quantizes something else than the results of a layer", "quantize inputs and weights with Quant"
        )
    channels = value.elements.shape[1]
    if table.shape[0] not in (1, channels):
        raise Refusal(f"thresholds of {table.shape[0]} channels for {channels}", "correct the model")
    if isinstance(value, Summed):
        if not (table == table[:1]).all():
            raise Refusal(
                "its thresholds differ from channel to channel and it follows a sum of two maps",
                "use the same thresholds for all channels",
            )
        order = np.zeros(1, np.int64)
    else:
        rows = np.broadcast_to(np.arange(table.shape[0]), channels).astype(np.float32)
        order = channel_operand(rows.reshape(1, channels, *(1,) * (value.elements.ndim - 2)), value).astype(np.int64)
    levels = table.shape[1]
    binary = levels == 1 and bias == -scale / 2
    zero_point = round(-bias / scale)
    if not binary and (zero_point * scale != -bias):
        raise Refusal(
            f"out_bias {bias:g} is not a multiple of out_scale {scale:g}", "use outputs that are multiples of one scale"
        )
    quantizer = Thresholds(
        scale=scale / 2 if binary else scale,
        zero_point=0 if binary else zero_point,
        low=0,
        high=levels,
        thresholds=table[order],
        binary=binary,
    )
    return _quantized(build, node, value, quantizer, np.array([scale], np.float32))


def _quantized(
    build: GraphBuilder, node: OnnxNode, value: Value, quantizer: Quantizer, scale: NDArray[np.float32]
) -> Value:
    if isinstance(value, Constant | ScaledConstant):
        array = constant_reals(value)
        if array.size > LARGEST_CONSTANT or not np.isfinite(array).all():
            raise Refusal("its constant is too large or not finite", f"use at most {LARGEST_CONSTANT} finite numbers")
        return quantized_constant(array, quantizer, scale)
    _single(scale)
    if isinstance(value, Source | Prepared):
        return _quantized_input(build, node, prepared(value), quantizer)
    if isinstance(value, Hosted):
        raise Refusal("it follows a result of the host that is last", "keep Softmax and ArgMax last")
    if isinstance(value, Reals):
        if _changes_nothing(build, value, quantizer):
            return value
        value = copy_of_map(build, node, 0)
    if not isinstance(value, Chained | Summed):
        raise Refusal("its input is nothing that can be quantized", "correct the model")
    # An intermediate result of more than 8 bits is one operator more.
    intermediate = isinstance(quantizer, Uniform) and quantizer.high - quantizer.low > 255
    if isinstance(value, Summed):
        if intermediate:
            return replace(value, steps=(*value.steps, quantizer.step))
        return quantized_sum(build, value, quantizer, node.outputs[0])
    if intermediate:
        return extended(value, quantizer.step)
    layers = len(build.result.nodes)
    result = quantized_layer(build, value, quantizer, node.outputs[0])
    last = build.result.nodes[-1]
    if node.outputs[0] in build.model.outputs and isinstance(quantizer, Uniform) and isinstance(last, Convolution):
        if quantizer.high - quantizer.low >= 3 and build.model.uses[node.outputs[0]] == 1:
            if has_no_line(build.result, last):
                # The host can do what no line does.
                del build.result.nodes[layers:], build.result.tensors[node.outputs[0]]
                return extended(value, quantizer.step)
    return result


def _changes_nothing(build: GraphBuilder, value: Reals, quantizer: Quantizer) -> bool:
    """Whether every number that the map can hold stays what it is."""
    tensor = build.result.tensors[value.tensor]
    low, high = held_bounds(build, value.tensor)
    integers = np.array([-1, 1]) if tensor.format == "binary" else np.arange(low, high + 1)
    real = (integers - tensor.zero_point).astype(np.float32) * np.float32(tensor.scale)
    if isinstance(quantizer, Uniform | Bipolar):
        return bool(np.array_equal(apply_step(quantizer.step, real), real))
    return False


def _quantized_input(build: GraphBuilder, node: OnnxNode, value: Prepared, quantizer: Quantizer) -> Reals:
    name = node.outputs[0]
    kind, zero_point = quantizer.format
    step = replace(quantizer.step, name=node.name)
    quantization = Quantization(quantizer.scale, zero_point, False)
    result = new_input_map(build, name, replace(value, steps=(*value.steps, step)), quantization, kind)
    if kind != "binary":
        build.result.input_range = held_range(quantizer)
    return result


def new_input_map(build: GraphBuilder, name: str, value: Prepared, quantization: Quantization, kind: str) -> Reals:
    """The network's input map: the host computes ``value`` and quantizes it."""
    if build.result.input:
        raise Refusal("the input is quantized twice in different ways", "quantize the input once")
    build.new_input(name, dense(value.elements), quantization)
    build.result.input_steps = list(value.steps)
    if value.members is not None:
        build.result.input_members = value.members
    build.result.tensors[name] = replace(build.result.tensors[name], format=kind)
    return Reals(name, input_elements(value.elements))


def _scale(build: GraphBuilder, node: OnnxNode, index: int = 1) -> NDArray[np.float32]:
    scale = constant_reals(build.value(node, index))
    if not scale.size or not np.isfinite(scale).all() or not (scale > 0).all():
        raise Refusal("a scale is not positive", "quantize again with more calibration data")
    return scale


def _single(scale: NDArray[np.float32]) -> float:
    if not (scale == scale.ravel()[0]).all():
        raise Refusal(
            f"its activations have {scale.size} scales",
            "quantize activations per tensor (weights may have a scale a channel)",
        )
    return float(scale.ravel()[0])


def _whole(build: GraphBuilder, node: OnnxNode, index: int, what: str) -> int:
    value = build.value(node, index)
    array = constant_reals(value)
    if array.size != 1 or not np.isfinite(array).all() or array.ravel()[0] != np.rint(array.ravel()[0]):
        raise Refusal(f"its {what} is not one whole number", "use one whole number")
    return int(array.ravel()[0])


QONNX_QUANTIZATION: dict[tuple[str, str], Handler] = {
    (QONNX, "Quant"): _quant,
    (QONNX, "IntQuant"): _quant,
    (QONNX, "BipolarQuant"): _bipolar,
    (QONNX, "Trunc"): _trunc,
    (QONNX, "MultiThreshold"): _multithreshold,
}
"""Handlers by domain and operator."""
