"""What the host computes: quantization of a float input, and SOFTMAX, LOGISTIC, DEQUANTIZE, ARG_MAX behind the last layer.

QUANTIZE between integers is a layer, or nothing where only the type changes (tflite_elementwise.py).
"""

from __future__ import annotations

import numpy as np

from .graph import HostStep
from .problem import Refusal
from .tflite_builder import FloatInput, GraphBuilder, Handler, Hosted, Map, Value
from .tflite_elementwise import requantized
from .tflite_file import TfliteOperator
from .tflite_quantization import QUANTIZE_REMEDY, Quantization, activation_quantization, same_quantization

__all__ = ["HOST_STEPS"]

PROBABILITY = Quantization(np.float32(1.0 / 256.0), -128, False)
"""Of every output of SOFTMAX and LOGISTIC; the kernels know no other."""


def _as_hosted(build: GraphBuilder, operator: TfliteOperator) -> Hosted:
    value = build.value(operator, 0)
    if isinstance(value, Hosted):
        return value
    source = build.quantized(operator, 0)
    quantization = Quantization(*_state(build, source))
    return Hosted(source, (), source.shape, quantization)


def _state(build: GraphBuilder, source: Map) -> tuple[np.float32, int, bool]:
    known = build.quantization_of(source.tensor)
    return known.scale, known.zero_point, source.unsigned


def _step(value: Hosted, step: HostStep, quantization: Quantization | None, shape: tuple[int, ...]) -> Hosted:
    return Hosted(value.map, (*value.steps, step), shape, quantization)


def _probability(build: GraphBuilder, operator: TfliteOperator, kind: str, factor: float) -> Value:
    value = _as_hosted(build, operator)
    output = build.output(operator)
    if value.quantization is None:
        raise Refusal("its input is float32", "keep it quantized: " + QUANTIZE_REMEDY)
    target = activation_quantization(output)
    if not same_quantization(target, PROBABILITY) or target.unsigned != value.quantization.unsigned:
        raise Refusal(
            f"its output has {target}, not the scale 1/256 and zero point that its kernel makes",
            "convert the model again",
        )
    scale = float(value.quantization.scale) * factor
    step = HostStep(kind=kind, name=operator.name, scale=scale, zero_point=value.quantization.zero_point)
    return _step(value, step, target, output.shape)


def _softmax(build: GraphBuilder, operator: TfliteOperator) -> Value:
    beta = float(operator.options.get("Beta", 0.0))
    scale = float(activation_quantization(build.tensor(operator, 0)).scale)
    if not 2.0**-26 < scale * beta < 2.0**40:
        raise Refusal(
            f"its beta {beta:g} times the scale {scale:g} of its input is outside 2**-26 .. 2**40", "use a beta of 1"
        )
    return _probability(build, operator, "softmax_int8", beta)


def _logistic(build: GraphBuilder, operator: TfliteOperator) -> Value:
    if build.tensor(operator, 0).kind == "uint8":
        raise Refusal("it works on uint8, which TensorFlow Lite computes in float", "quantize the model to int8")
    if not 2.0**-40 < float(activation_quantization(build.tensor(operator, 0)).scale) < 16.0:
        raise Refusal("the scale of its input is not between 2**-40 and 16", "quantize the model again")
    return _probability(build, operator, "logistic_int8", 1.0)


def _dequantize(build: GraphBuilder, operator: TfliteOperator) -> Value:
    value = _as_hosted(build, operator)
    output = build.output(operator)
    if output.kind != "float32" or value.quantization is None:
        raise Refusal(f"it makes {output.kind}", "dequantize to float32 once, at the end of the network")
    return _step(value, HostStep(kind="dequantize", name=operator.name), None, output.shape)


def _quantize(build: GraphBuilder, operator: TfliteOperator) -> Value:
    value = build.value(operator, 0)
    output = build.output(operator)
    target = activation_quantization(output)
    if isinstance(value, FloatInput):
        if build.result.input:
            raise Refusal("the input is quantized twice", "quantize the input once")
        if target.unsigned:
            raise Refusal("it quantizes the input to uint8", "TensorFlow Lite Micro only quantizes to int8")
        return build.new_input(output, target)
    if not isinstance(value, Hosted):
        return requantized(build, operator)
    if value.quantization is None or not same_quantization(value.quantization, target):
        raise Refusal(
            f"it rescales the result of {value.steps[-1].name}, which the host computes",
            "keep the scale of that operator",
        )
    kind = "uint8" if target.unsigned else "int8"
    return _step(value, HostStep(kind=kind, name=operator.name), target, output.shape)


def _arg_max(build: GraphBuilder, operator: TfliteOperator) -> Value:
    value = _as_hosted(build, operator)
    output = build.output(operator)
    rank = len(value.shape)
    axis = build.constant(operator, 1, "its axis").ravel()
    if axis.size != 1 or int(axis[0]) not in (-1, rank - 1) or any(extent != 1 for extent in value.shape[:-1]):
        raise Refusal(
            "it does not work along one final vector of classes", "use ARG_MAX along the last axis, behind a vector"
        )
    if output.kind not in ("int32", "int64"):
        raise Refusal(f"it gives {output.kind}", "use an output type of int32 or int64")
    return _step(value, HostStep(kind="argmax", name=operator.name), None, output.shape)


HOST_STEPS: dict[str, Handler] = {
    "ARG_MAX": _arg_max,
    "DEQUANTIZE": _dequantize,
    "LOGISTIC": _logistic,
    "QUANTIZE": _quantize,
    "SOFTMAX": _softmax,
}
