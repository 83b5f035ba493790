"""The golden network equals ONNX Runtime on every element of models written at random.

Weights have 7 bits: with 8 bits ONNX Runtime's u8s8 kernels saturate on CPUs without VNNI.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from macaw.compiler.graph import Convolution, Graph
from macaw.compiler.onnx_import import import_onnx
from macaw.compiler.requantize import requantize
from macaw.compiler.requantizer_parameters import requantizer_parameters
from macaw.hw.config import EngineConfig
from macaw.sim.golden_network import GoldenNetwork, model_output, quantize_input

KINDS = [np.uint8, np.int8]


def zero(kind: Any, value: int) -> Any:
    """A zero point: ``value`` in the int8 domain."""
    return kind(value + 128) if kind == np.uint8 else kind(value)


def reference(path: Path, x: NDArray[Any]) -> NDArray[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: x[i : i + 1]})[0] for i in range(len(x))])


def golden(graph: Graph, x: NDArray[Any], *, strict: bool = False) -> NDArray[Any]:
    config = EngineConfig(p=1, m=1, n=1, accumulator_width=32, **asdict(requantizer_parameters(graph)))
    certified = requantize(graph, config, strict=strict)
    return model_output(graph, GoldenNetwork(graph, certified).run(quantize_input(graph, x))[graph.output])


def compare(path: Path, x: NDArray[Any], *, allowed: int = 0) -> Graph:
    """Golden and reference differ for at most ``allowed`` elements; if none may, every channel is certified as exact."""
    graph = import_onnx(path)
    assert allowed or graph.deviations == []
    ours, theirs = golden(graph, x, strict=allowed == 0), reference(path, x)
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert np.count_nonzero(ours != theirs) <= allowed
    return graph


def images(generator: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return generator.normal(0.0, 1.0, shape).astype(np.float32)


CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "3x3": {"kernel": (3, 3), "attributes": {"pads": [1, 1, 1, 1]}},
    "stride 2, uneven padding": {"kernel": (3, 4), "attributes": {"strides": [2, 2], "pads": [1, 2, 0, 1]}},
    "dilation": {"kernel": (3, 3), "attributes": {"dilations": [2, 1], "pads": [2, 1, 2, 1]}},
    "1x1": {"kernel": (1, 1), "attributes": {}},
    "groups": {"kernel": (3, 3), "attributes": {"group": 2}},
    "depthwise": {"kernel": (3, 3), "attributes": {"group": 6, "pads": [1, 1, 1, 1]}},
    "depthwise, two outputs a channel": {"kernel": (2, 3), "attributes": {"group": 6}, "outputs": 12},
    "same upper": {"kernel": (3, 2), "attributes": {"auto_pad": "SAME_UPPER", "strides": [2, 2]}},
    "same lower": {"kernel": (3, 2), "attributes": {"auto_pad": "SAME_LOWER"}},
    "valid": {"kernel": (3, 2), "attributes": {"auto_pad": "VALID"}},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", CONVOLUTIONS)
def test_convolution(writer: Any, kind: Any, form: str) -> None:
    generator = np.random.default_rng(list(CONVOLUTIONS).index(form))
    case = CONVOLUTIONS[form]
    outputs, group = case.get("outputs", 6), case["attributes"].get("group", 1)
    weights = generator.integers(-64, 65, (outputs, 6 // group, *case["kernel"])).astype(np.int8)
    scale = generator.uniform(0.002, 0.01, outputs).astype(np.float32)
    bias = generator.integers(-3000, 3000, outputs).astype(np.int32)
    x_scale = np.float32(0.031)
    x = writer.requantize("x", x_scale, zero(kind, 11))
    b = writer.dequantize(writer.constant(bias), x_scale * scale, np.zeros(outputs, np.int32), axis=0)
    y = writer.node("Conv", x, writer.weights(weights, scale), b, **case["attributes"])
    path = writer.save([1, 6, 9, 10], writer.requantize(y, 0.053, zero(kind, -7)))
    graph = compare(path, images(generator, 8, 6, 9, 10))
    assert graph.deviations == []


@pytest.mark.parametrize("kind", KINDS)
def test_one_dimensional_convolution(writer: Any, kind: Any) -> None:
    generator = np.random.default_rng(3)
    x = writer.requantize("x", 0.03, zero(kind, 4))
    weights = generator.integers(-64, 65, (5, 3, 7)).astype(np.int8)
    y = writer.node("Conv", x, writer.weights(weights, 0.01), strides=[2], pads=[3, 2])
    pooled = writer.node("MaxPool", writer.requantize(y, 0.09, zero(kind, 0)), kernel_shape=[2], strides=[2])
    path = writer.save([1, 3, 50], writer.requantize(pooled, 0.09, zero(kind, 0)))
    graph = compare(path, images(generator, 8, 3, 50))
    assert graph.tensors[graph.input].shape == (1, 50, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", ["none", "float", "integer"])
@pytest.mark.parametrize("operator", ["Gemm", "Gemm transposed", "MatMul", "MatMul per channel"])
def test_fully_connected_after_flatten(writer: Any, kind: Any, bias: str, operator: str) -> None:
    """A map in front: the weights are reordered from channels first to the graph's order."""
    generator = np.random.default_rng(5)
    x_scale, w_scale = np.float32(0.0411234), np.float32(0.0071357)
    x = writer.requantize("x", x_scale, zero(kind, -20))
    flat = writer.requantize(writer.node("Flatten", x), x_scale, zero(kind, -20))
    weights = generator.integers(-64, 65, (3 * 4 * 5, 10)).astype(np.int8)
    integers = generator.integers(-3000, 3000, 10).astype(np.int32)
    operands = []
    if bias == "float":
        operands = [writer.constant(integers.astype(np.float32) * (x_scale * w_scale) * np.float32(1.0003))]
    elif bias == "integer":
        operands = [writer.dequantize(writer.constant(integers), x_scale * w_scale, np.int32(0))]
    if operator == "Gemm":
        y = writer.node("Gemm", flat, writer.weights(weights, w_scale), *operands)
    elif operator == "Gemm transposed":
        y = writer.node("Gemm", flat, writer.weights(weights.T.copy(), w_scale), *operands, transB=1)
    else:
        scale: Any = w_scale if operator == "MatMul" else np.full(10, w_scale)
        y = writer.node("MatMul", flat, writer.weights(weights, scale, axis=1))
        y = writer.node("Add", y, *operands) if operands else y
    path = writer.save([1, 3, 4, 5], writer.requantize(y, 0.11, zero(kind, 5)))
    graph = compare(path, images(generator, 50, 3, 4, 5))
    assert graph.deviations == []
    assert isinstance(graph.nodes[0], Convolution)
    assert graph.nodes[0].weights.shape == (
        10,
        1,
        1,
        60,
    )  # nothing relies on the input's map: the host lays out a vector


@pytest.mark.parametrize("kind", KINDS)
def test_network_with_every_layer(writer: Any, kind: Any) -> None:
    """Convolution, fused Relu, max pool, depthwise, global average, fully connected, dequantization."""
    generator = np.random.default_rng(6)
    lowest = zero(kind, -128)
    x = writer.requantize("x", 0.04, zero(kind, 3))
    w = writer.weights(generator.integers(-64, 65, (8, 2, 3, 3)).astype(np.int8), generator.uniform(0.01, 0.02, 8))
    x = writer.requantize(writer.node("Relu", writer.node("Conv", x, w, pads=[1, 1, 1, 1])), 0.021, lowest)
    x = writer.requantize(
        writer.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), 0.021, lowest
    )
    w = writer.weights(generator.integers(-64, 65, (8, 1, 3, 3)).astype(np.int8), generator.uniform(0.01, 0.02, 8))
    clip = writer.node("Clip", writer.node("Conv", x, w, group=8), writer.constant(np.float32(0)))
    x = writer.requantize(clip, 0.013, lowest)
    x = writer.requantize(writer.node("GlobalAveragePool", x), 0.0087123, lowest)
    x = writer.requantize(writer.node("Flatten", writer.node("Identity", x)), 0.0087123, lowest)
    w = writer.weights(generator.integers(-64, 65, (8, 4)).astype(np.int8), 0.01)
    path = writer.save(["batch", 2, 12, 12], writer.requantize(writer.node("Gemm", x, w), 0.01, zero(kind, 9)))
    graph = compare(path, images(generator, 100, 2, 12, 12))
    assert graph.deviations == []


@pytest.mark.parametrize("kind", KINDS)
def test_flatten_between_layers(writer: Any, kind: Any) -> None:
    """A fully connected layer behind a convolution takes the map in the graph's order: height, width, channels."""
    generator = np.random.default_rng(7)
    x = writer.requantize("x", 0.04, zero(kind, 3))
    w = writer.weights(generator.integers(-64, 65, (4, 2, 3, 3)).astype(np.int8), 0.02)
    x = writer.requantize(writer.node("Conv", x, w), 0.06, zero(kind, 1))
    shape = writer.constant(np.array([1, -1], np.int64))
    x = writer.requantize(writer.node("Reshape", x, shape), 0.06, zero(kind, 1))
    w = writer.weights(generator.integers(-64, 65, (4 * 3 * 4, 6)).astype(np.int8), 0.01)
    path = writer.save([1, 2, 5, 6], writer.requantize(writer.node("Gemm", x, w), 0.1, zero(kind, 0)))
    graph = compare(path, images(generator, 50, 2, 5, 6))
    assert graph.nodes[1].weights.shape == (6, 3, 4, 4)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_channels_last_input(writer: Any, kind: Any) -> None:
    """A Transpose in front of the network is the host's: it only changes the order in which the input is laid out."""
    generator = np.random.default_rng(8)
    x = writer.requantize(writer.node("Transpose", "x", perm=[0, 3, 1, 2]), 0.04, zero(kind, 3))
    w = writer.weights(generator.integers(-64, 65, (4, 3, 3, 3)).astype(np.int8), 0.02)
    path = writer.save([1, 6, 7, 3], writer.requantize(writer.node("Conv", x, w), 0.1, zero(kind, 1)))
    graph = compare(path, images(generator, 20, 6, 7, 3))
    np.testing.assert_array_equal(graph.input_order, np.arange(6 * 7 * 3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attributes", [{}, {"count_include_pad": 1, "pads": [1, 0, 1, 1]}, {"strides": [2, 2]}])
def test_average_pool(writer: Any, kind: Any, attributes: dict[str, Any]) -> None:
    """Output scales that no sum of inputs hits halfway: exact."""
    generator = np.random.default_rng(9)
    x = writer.requantize("x", 0.03, zero(kind, 17))
    y = writer.node("AveragePool", x, kernel_shape=[2, 3], **attributes)
    path = writer.save([1, 5, 8, 9], writer.requantize(y, 0.0223, zero(kind, -3)))
    graph = compare(path, images(generator, 20, 5, 8, 9))
    assert graph.deviations == []


@pytest.mark.parametrize("kind", KINDS)
def test_average_pool_with_ties_is_reported(writer: Any, kind: Any) -> None:
    """Same scale at input and output: every fourth sum is a tie, which ONNX Runtime's float32 noise decides."""
    generator = np.random.default_rng(10)
    x = writer.requantize("x", 0.03, zero(kind, 17))
    y = writer.requantize(writer.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), 0.03, zero(kind, 17))
    path = writer.save([1, 5, 8, 8], y)
    samples = images(generator, 20, 5, 8, 8)
    graph = import_onnx(path)
    assert [(deviation.operator, deviation.steps) for deviation in graph.deviations] == [("AveragePool", 1)]
    difference = np.abs(golden(graph, samples) - reference(path, samples)) / np.float32(0.03)
    assert difference.max() < 1.5
    assert np.count_nonzero(difference) < 0.2 * difference.size


@pytest.mark.parametrize("kind", KINDS)
def test_relu_that_the_range_does_not_imply(writer: Any, kind: Any) -> None:
    """ONNX Runtime computes the layer in float32; at most a few roundings differ, and the graph says so."""
    generator = np.random.default_rng(11)
    x = writer.requantize("x", 0.04, zero(kind, 0))
    w = writer.weights(generator.integers(-64, 65, (4, 2, 3, 3)).astype(np.int8), 0.02)
    y = writer.node("Relu", writer.node("Conv", x, w))
    path = writer.save([1, 2, 8, 8], writer.requantize(y, 0.06, zero(kind, -5)))
    graph = compare(path, images(generator, 50, 2, 8, 8), allowed=3)
    assert "Relu or Clip is not implied" in graph.deviations[0].reason
    rule = graph.nodes[0].requantization  # type: ignore[attr-defined]
    assert (rule.low, rule.high) == (-5, 127)


@pytest.mark.parametrize("kind", KINDS)
def test_quantized_relu_behind_the_layer(writer: Any, kind: Any) -> None:
    """Conv, Q, DQ, Relu, Q, DQ with one scale: the Relu becomes the layer's lower bound."""
    generator = np.random.default_rng(12)
    x = writer.requantize("x", 0.04, zero(kind, 0))
    w = writer.weights(generator.integers(-64, 65, (4, 2, 3, 3)).astype(np.int8), 0.02)
    x = writer.requantize(writer.node("Conv", x, w), 0.06, zero(kind, -5))
    path = writer.save([1, 2, 8, 8], writer.requantize(writer.node("Relu", x), 0.06, zero(kind, -5)))
    graph = compare(path, images(generator, 50, 2, 8, 8))
    assert len(graph.nodes) == 1
    assert graph.nodes[0].requantization.low == -5  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("opset", [11, 17])
def test_softmax_and_argmax_are_the_hosts(writer: Any, kind: Any, opset: int) -> None:
    generator = np.random.default_rng(13)
    x = writer.requantize("x", 0.04, zero(kind, 0))
    w = writer.weights(generator.integers(-64, 65, (16, 7)).astype(np.int8), 0.02)
    y = writer.node("Softmax", writer.requantize(writer.node("MatMul", x, w), 0.06, zero(kind, -5)))
    path = writer.save([1, 16], y, opset=opset)
    samples = images(generator, 50, 1, 16)[:, 0]
    graph = import_onnx(path)
    assert [step.kind for step in graph.host_steps] == ["dequantize", "softmax"]
    np.testing.assert_allclose(golden(graph, samples), reference(path, samples), rtol=1e-5)
    path = writer.save([1, 16], writer.node("ArgMax", y, axis=1, keepdims=0), output_kind=np.int64, opset=opset)
    compare(path, samples)


@pytest.mark.parametrize("kind", KINDS)
def test_one_map_with_two_readers(writer: Any, kind: Any) -> None:
    """A map that two nodes read appears once in the graph. ONNX Runtime fuses its readers for uint8 only, unless one is
    dead, as here."""
    generator = np.random.default_rng(14)
    x = writer.requantize("x", 0.04, zero(kind, 0))
    w = writer.weights(generator.integers(-64, 65, (4, 2, 3, 3)).astype(np.int8), 0.02)
    writer.requantize(writer.node("Conv", x, w), 0.07, zero(kind, 1))
    path = writer.save([1, 2, 8, 8], writer.requantize(writer.node("Conv", x, w), 0.06, zero(kind, -5)))
    graph = compare(path, images(generator, 20, 2, 8, 8), allowed=int(kind == np.int8))
    assert bool(graph.deviations) == (kind == np.int8)
    assert [node.input for node in graph.nodes] == [graph.input] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_qlinear_form_with_integer_input(writer: Any, kind: Any) -> None:
    """QLinearConv, MaxPool, QLinearAveragePool, QLinearGlobalAveragePool, QLinearMatMul and QGemm on integers."""
    generator = np.random.default_rng(15)

    def parameters(scale: Any, zero_point: Any) -> tuple[str, str]:
        return writer.constant(np.asarray(scale, np.float32)), writer.constant(zero_point)

    x = writer.node("MaxPool", "x", kernel_shape=[2, 2])
    scale = generator.uniform(0.01, 0.02, 6).astype(np.float32)
    w = writer.constant(generator.integers(-64, 65, (6, 3, 3, 3)).astype(np.int8))
    b = writer.constant(generator.integers(-3000, 3000, 6).astype(np.int32))
    before, first = parameters(0.03, zero(kind, 9)), parameters(0.09, zero(kind, -2))
    x = writer.node("QLinearConv", x, *before, w, *parameters(scale, np.zeros(6, np.int8)), *first, b)
    second = parameters(0.0613357, zero(kind, 3))
    pool = {"domain": "com.microsoft"}
    x = writer.node("QLinearAveragePool", x, *first, *second, kernel_shape=[2, 2], strides=[2, 2], **pool)
    third = parameters(0.0231, zero(kind, -77))
    x = writer.node("Flatten", writer.node("QLinearGlobalAveragePool", x, *second, *third, **pool))
    w = writer.constant(generator.integers(-64, 65, (6, 5)).astype(np.int8))
    fourth = parameters(0.02, zero(kind, 0))
    x = writer.node("QLinearMatMul", x, *third, w, *parameters(0.0131357, np.int8(0)), *fourth)
    w = writer.constant(generator.integers(-64, 65, (4, 5)).astype(np.int8))
    b = writer.constant(generator.integers(-300, 300, 4).astype(np.int32))
    last = parameters(0.02, zero(kind, 0))
    y = writer.node("QGemm", x, *fourth, w, *parameters(0.0127531, np.int8(0)), b, *last, transB=1, **pool)
    path = writer.save([1, 3, 9, 9], y, kind, kind, [1, 4])
    low = 0 if kind == np.uint8 else -128
    graph = compare(path, generator.integers(low, low + 256, (100, 3, 9, 9)).astype(kind))
    assert graph.deviations == []
    assert graph.host_steps == []
    assert not graph.input_float


def test_unsigned_weights(writer: Any) -> None:
    """uint8 weights whose zero point brings them into int8."""
    generator = np.random.default_rng(16)
    x = writer.requantize("x", 0.04, np.uint8(3))
    w = writer.weights(generator.integers(64, 193, (4, 2, 3, 3)).astype(np.uint8), 0.02, zero_point=128)
    path = writer.save([1, 2, 8, 8], writer.requantize(writer.node("Conv", x, w), 0.06, np.uint8(100)))
    compare(path, images(generator, 50, 2, 8, 8))


@pytest.mark.parametrize("seed", range(12))
def test_random_networks(writer: Any, seed: int) -> None:
    """Chains of random layers and scales."""
    generator = np.random.default_rng(100 + seed)
    kind = KINDS[seed % 2]
    channels, height, width = (int(n) for n in generator.integers(1, 9, 3) + [0, 6, 6])
    shape = [1, channels, height, width]
    samples = images(generator, 10, *shape[1:])
    scale, zero_point = 0.02 + 0.01 * generator.random(), zero(kind, int(generator.integers(-128, 128)))
    x = writer.requantize("x", scale, zero_point)
    for _ in range(4):
        if min(height, width) < 4:
            break
        if generator.random() < 0.3:
            x = writer.requantize(writer.node("MaxPool", x, kernel_shape=[2, 2], strides=[1, 2]), scale, zero_point)
            height, width = height - 1, (width - 2) // 2 + 1
            continue
        kernel = [int(k) for k in generator.integers(1, 4, 2)]
        pads = [int(generator.integers(0, k)) for k in kernel * 2]
        strides = [int(s) for s in generator.integers(1, 3, 2)]
        outputs = int(generator.integers(1, 12))
        w_scale = generator.uniform(0.5, 2.0, outputs).astype(np.float32) / np.float32(
            64 * np.sqrt(channels * np.prod(kernel))
        )
        w = writer.weights(generator.integers(-64, 65, (outputs, channels, *kernel)).astype(np.int8), w_scale)
        x = writer.node("Conv", x, w, kernel_shape=kernel, pads=pads, strides=strides)
        scale, zero_point = 0.02 + 0.01 * generator.random(), zero(kind, int(generator.integers(-128, 128)))
        if generator.random() < 0.5:
            x, zero_point = writer.node("Relu", x), zero(kind, -128)
        x = writer.requantize(x, scale, zero_point)
        height = (height + pads[0] + pads[2] - kernel[0]) // strides[0] + 1
        width = (width + pads[1] + pads[3] - kernel[1]) // strides[1] + 1
        channels = outputs
    graph = compare(writer.save(shape, x), samples, allowed=2)
    assert graph.deviations == []


class _Calibration(CalibrationDataReader):
    def __init__(self, samples: NDArray[np.float32]) -> None:
        self.samples = iter(samples)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        sample = next(self.samples, None)
        return None if sample is None else {"x": sample[None]}


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
@pytest.mark.parametrize("kind", [QuantType.QInt8, QuantType.QUInt8])
def test_network_quantized_by_onnx_runtime(writer: Any, form: Any, kind: Any) -> None:
    """quantize_static on a float network: Conv, Relu, MaxPool, depthwise Conv, Clip, GlobalAveragePool, MatMul, Add."""
    generator = np.random.default_rng(17)

    def numbers(*shape: int) -> str:
        return str(writer.constant(generator.normal(0.0, 0.3, shape).astype(np.float32)))

    x = writer.node("Relu", writer.node("Conv", "x", numbers(8, 3, 3, 3), numbers(8), pads=[1, 1, 1, 1]))
    x = writer.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = writer.node("Conv", x, numbers(8, 1, 3, 3), numbers(8), group=8)
    x = writer.node("Clip", x, writer.constant(np.float32(0)), writer.constant(np.float32(6)))
    x = writer.node("Flatten", writer.node("GlobalAveragePool", x))
    path = writer.save(["N", 3, 16, 16], writer.node("Add", writer.node("MatMul", x, numbers(8, 10)), numbers(10)))
    prepared, target = path.with_name("prepared.onnx"), path.with_name("quantized.onnx")
    quant_pre_process(str(path), str(prepared))
    samples = images(generator, 100, 3, 16, 16)
    quantize_static(
        str(prepared),
        str(target),
        _Calibration(samples[:20]),
        quant_format=form,
        activation_type=kind,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
    )
    graph = compare(target, samples, allowed=2)
    assert graph.deviations == []
