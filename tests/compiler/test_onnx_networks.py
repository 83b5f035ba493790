"""Whole networks as onnxruntime.quantization writes them: the integer graph equals ONNX Runtime, or says where not.

Single operators are evaluated with the reference's own staircases and tables: these tests are about the importer. Whole
networks are run by the golden network as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from macaw.compiler.graph import Add, Concat, Convolution, Graph, MaxPool
from macaw.compiler.onnx_import import import_onnx
from macaw.compiler.requantize import requantize
from macaw.compiler.requantizer_parameters import requantizer_parameters
from macaw.hw.config import EngineConfig
from macaw.sim.golden.convolution import convolution
from macaw.sim.golden.max_pool import max_pool
from macaw.sim.golden_network import GoldenNetwork, model_output, quantize_input
from macaw.sim.onnx_reference import OnnxReference

KINDS = [np.uint8, np.int8]
FORMS = [QuantFormat.QDQ, QuantFormat.QOperator]
TYPES = {np.uint8: QuantType.QUInt8, np.int8: QuantType.QInt8}


def zero(kind: Any, value: int) -> Any:
    """A zero point: ``value`` in the int8 domain."""
    return kind(value + 128) if kind == np.uint8 else kind(value)


def evaluate(graph: Graph, x: NDArray[Any]) -> NDArray[Any]:
    """The model's output by the definitions of the graph's nodes."""
    maps = {graph.input: quantize_input(graph, x)}
    for node in graph.nodes:
        first = maps[node.input]
        if isinstance(node, Convolution):
            zero_point = graph.tensors[node.input].zero_point
            sums = convolution(
                first, node.weights, stride=node.stride, padding=node.padding, dilation=node.dilation,
                groups=node.groups, pad_value=zero_point,
            )  # fmt: skip
            weights = node.weights.astype(np.int64).reshape(len(node.weights), -1)
            sums = sums + node.bias - zero_point * weights.sum(1)
            result = node.requantization.outputs(sums, np.arange(len(weights))).astype(np.int8)
        elif isinstance(node, MaxPool):
            result = max_pool(first, node.kernel, stride=node.stride, padding=node.padding)
        elif isinstance(node, Add):
            result = node.table[first.astype(int) + 128, maps[node.second].astype(int) + 128]
        else:
            assert isinstance(node, Concat)
            quantizations = {
                (graph.tensors[name].scale, graph.tensors[name].zero_point) for name in (*node.inputs, node.output)
            }
            assert len(quantizations) == 1
            result = np.concatenate([maps[name] for name in node.inputs], -1)
        assert result.shape[1:] == graph.tensors[node.output].shape
        maps[node.output] = result
    return model_output(graph, maps[graph.output])


def reference(path: Path, x: NDArray[Any], **settings: str) -> NDArray[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    for key, value in settings.items():
        options.add_session_config_entry(f"session.{key}", value)
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": x[i : i + 1]})[0] for i in range(len(x))])


def equal(path: Path, x: NDArray[Any], *, listed: bool | None = False) -> Graph:
    """The graph of a model whose outputs are ONNX Runtime's; ``listed``: it has deviations all the same (None: maybe)."""
    graph = import_onnx(path)
    if listed is not None:
        assert bool(graph.deviations) == listed
    ours, theirs = evaluate(graph, x), reference(path, x)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)
    return graph


def golden(graph: Graph, x: NDArray[Any]) -> dict[str, NDArray[np.int8]]:
    """Every map by the engine's arithmetic; every layer is certified as exact."""
    config = EngineConfig(p=1, m=1, n=1, accumulator_width=32, **asdict(requantizer_parameters(graph)))
    certified = requantize(graph, config, strict=True)
    return GoldenNetwork(graph, certified).run(quantize_input(graph, x))


def images(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0.0, 1.0, shape).astype(np.float32)


# Single operators in QDQ form


def branches(writer: Any, kind: Any, count: int, channels: int = 4) -> list[str]:
    """Dequantized results of convolutions, each with a scale and zero point of its own."""
    generator = np.random.default_rng(1)
    x = writer.requantize("x", 0.04, zero(kind, 3))
    result = []
    for index in range(count):
        w = writer.weights(generator.integers(-64, 65, (channels + index, 3, 1, 1)).astype(np.int8), 0.02)
        result.append(writer.requantize(writer.node("Conv", x, w), 0.05 + 0.01 * index, zero(kind, 5 - 9 * index)))
    return result


def two_maps(writer: Any, kind: Any) -> tuple[str, str]:
    """Two maps of one shape with quantizations of their own, made by layers whose float32 form is exact as well."""
    x = writer.requantize("x", 0.04, zero(kind, 3))
    w = writer.weights(np.arange(-40, 41, 40, dtype=np.int8).reshape(1, 3, 1, 1), 0.02)
    first = writer.requantize(writer.node("Mul", x, w), 0.05, zero(kind, 5))
    w = writer.weights(np.arange(90, -31, -60, dtype=np.int8).reshape(1, 3, 1, 1), 0.013)
    second = writer.requantize(writer.node("Mul", first, w), 0.07, zero(kind, -9))
    return first, second


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["none", "implied", "not implied", "separate"])
def test_addition(writer: Any, kind: Any, activation: str) -> None:
    """With int8, the first map has two readers, so ONNX Runtime does not fuse the Add."""
    y = writer.node("Add", *two_maps(writer, kind))
    scale, zero_point = 0.093, zero(kind, -128 if activation == "implied" else -20)
    if activation == "separate":
        y = writer.requantize(y, scale, zero_point)
    if activation != "none":
        y = writer.node("Relu", y)
    path = writer.save([1, 3, 8, 9], writer.requantize(y, scale, zero_point))
    graph = equal(path, images(3, 60, 3, 8, 9))
    add = graph.nodes[-1]
    assert isinstance(add, Add) and add.operator == "Add"
    assert (add.low, add.high) == ({"none": -128, "implied": -128}.get(activation, -20), 127)
    assert np.all(np.diff(add.table.astype(int), axis=0) >= 0) and np.all(np.diff(add.table.astype(int), axis=1) >= 0)
    np.testing.assert_allclose(add.weights, (0.05 / scale, 0.07 / scale), rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_addition_of_a_map_and_itself(writer: Any, kind: Any) -> None:
    x = writer.requantize("x", 0.04, zero(kind, 3))
    path = writer.save([1, 3, 8, 9], writer.requantize(writer.node("Add", x, x), 0.07, zero(kind, 2)))
    graph = equal(path, images(3, 60, 3, 8, 9))
    assert graph.tensors[graph.input].shape == (8, 9, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_addition_of_vectors(writer: Any, kind: Any) -> None:
    generator = np.random.default_rng(4)
    x = writer.requantize("x", 0.04, zero(kind, 3))
    w = writer.weights(generator.integers(-64, 65, (12, 12)).astype(np.int8), 0.01)
    y = writer.requantize(writer.node("MatMul", x, w), 0.05, zero(kind, -7))
    path = writer.save([1, 12], writer.requantize(writer.node("Add", y, x), 0.07, zero(kind, 2)))
    equal(path, images(5, 200, 12), listed=kind == np.int8)


@pytest.mark.parametrize("kind", KINDS)
def test_concatenation(writer: Any, kind: Any) -> None:
    """Parts with the output's quantization are joined as they are, others requantized first."""
    parts = branches(writer, kind, 3)
    y = writer.requantize(writer.node("Concat", *parts, axis=1), 0.06, zero(kind, -4))
    path = writer.save([1, 3, 8, 9], y)
    graph = equal(path, images(6, 40, 3, 8, 9), listed=kind == np.int8)
    join = graph.nodes[-1]
    assert isinstance(join, Concat) and len(join.inputs) == 3
    assert [node.operator for node in graph.nodes] == ["Conv", "Conv", "Conv", "Concat", "Concat", "Concat"]
    assert graph.tensors[graph.output].shape == (8, 9, 4 + 5 + 6)


@pytest.mark.parametrize("kind", KINDS)
def test_concatenation_with_a_relu(writer: Any, kind: Any) -> None:
    y = writer.node("Relu", writer.node("Concat", *branches(writer, kind, 2), axis=-3))
    equal(writer.save([1, 3, 8, 9], writer.requantize(y, 0.05, zero(kind, 5))), images(7, 40, 3, 8, 9), listed=None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("constant", ["number", "channels", "float", "per channel"])
def test_multiplication_by_a_constant(writer: Any, kind: Any, constant: str) -> None:
    x = writer.requantize("x", 0.04, zero(kind, 3))
    factors = np.array([-90, -1, 0, 1, 64], np.int64).reshape(1, 5, 1, 1)
    if constant == "number":
        y = writer.node("Mul", x, writer.weights(np.array(-93, np.int8), 0.013))
    elif constant == "channels":
        y = writer.node("Mul", writer.weights((factors + 120).astype(kind), 0.013, zero_point=int(zero(kind, -8))), x)
    elif constant == "float":
        y = writer.node("Mul", x, writer.constant((factors * 0.0131).astype(np.float32)))
    else:
        y = writer.node("Mul", x, writer.weights(factors.astype(np.int8), np.linspace(0.01, 0.02, 5), axis=1))
    graph = equal(writer.save([1, 5, 6, 7], writer.requantize(y, 0.031, zero(kind, 4))), images(8, 80, 5, 6, 7))
    assert isinstance(graph.nodes[0], Convolution) and graph.nodes[0].groups == 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("lines", [False, True])
def test_pad_in_front_of_a_convolution(writer: Any, kind: Any, separate: bool, lines: bool) -> None:
    """Pad, with quantization behind it or without, becomes the padding of the convolution."""
    generator = np.random.default_rng(9)
    x = writer.requantize("x", 0.04, zero(kind, 3))
    pads = [0, 0, 2, 0, 0, 1] if lines else [0, 0, 0, 2, 0, 0, 1, 1]
    x = writer.node("Pad", x, writer.constant(np.array(pads)))
    if separate:
        x = writer.requantize(x, 0.04, zero(kind, 3))
    w = writer.weights(generator.integers(-64, 65, (4, 3, 3) if lines else (4, 3, 3, 3)).astype(np.int8), 0.02)
    y = writer.node("Conv", x, w, strides=[2] if lines else [2, 1])
    shape = [3, 21] if lines else [3, 7, 8]
    path = writer.save([1, *shape], writer.requantize(y, 0.05, zero(kind, -4)))
    graph = equal(path, images(10, 40, *shape))
    assert isinstance(graph.nodes[0], Convolution)
    assert graph.nodes[0].padding == ((0, 2, 0, 1) if lines else (0, 2, 1, 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", [0, 1])
def test_mean_over_the_map(writer: Any, kind: Any, keep: int) -> None:
    """35 inputs and one scale: no sum is a tie."""
    x = writer.requantize("x", 0.04, zero(kind, 3))
    y = writer.node("ReduceMean", x, axes=[2, -1], keepdims=keep)
    path = writer.save([1, 6, 7, 5], writer.requantize(y, 0.04, zero(kind, 9)))
    graph = equal(path, images(11, 200, 6, 7, 5))
    assert graph.output_shape == ((1, 6, 1, 1) if keep else (1, 6))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operator", ["Softmax", "Sigmoid"])
@pytest.mark.parametrize("scale", [0.0, 1 / 256, 1 / 255, 0.0039])
def test_final_probabilities(writer: Any, kind: Any, operator: str, scale: float) -> None:
    generator = np.random.default_rng(12)
    x = writer.requantize("x", 0.04, zero(kind, 0))
    w = writer.weights(generator.integers(-64, 65, (16, 7)).astype(np.int8), 0.01)
    y = writer.node(operator, writer.requantize(writer.node("MatMul", x, w), 0.06, zero(kind, -5)))
    if scale:
        y = writer.requantize(y, scale, zero(kind, -128))
    path = writer.save([1, 16], y)
    samples = images(13, 400, 16)
    if scale:
        equal(path, samples)
    else:
        np.testing.assert_allclose(evaluate(import_onnx(path), samples), reference(path, samples), rtol=1e-5, atol=1e-7)


# Networks


def numbers(writer: Any, generator: np.random.Generator, *shape: int) -> str:
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 9
    return str(writer.constant(generator.normal(0.0, 1.3 / np.sqrt(fan_in), shape).astype(np.float32)))


class Net:
    """Float layers with random weights."""

    def __init__(self, writer: Any) -> None:
        self.writer, self.generator = writer, np.random.default_rng(20)

    def conv(self, x: str, inputs: int, outputs: int, *kernel: int, relu: str = "Relu", **attributes: Any) -> str:
        groups = attributes.get("group", 1)
        w = numbers(self.writer, self.generator, outputs, inputs // groups, *kernel)
        y = self.writer.node("Conv", x, w, numbers(self.writer, self.generator, outputs), **attributes)
        if relu == "Clip":
            return str(self.writer.node("Clip", y, *(self.writer.constant(np.float32(bound)) for bound in (0, 6))))
        return str(self.writer.node(relu, y) if relu else y)

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        y = self.writer.node("Flatten", x)
        w = numbers(self.writer, self.generator, outputs, inputs)
        return str(self.writer.node("Gemm", y, w, numbers(self.writer, self.generator, outputs), transB=1))


def residual(net: Net) -> tuple[list[int], str]:
    """Like ResNet-8: blocks with and without a convolution beside them, stride 2."""
    same: dict[str, Any] = {"pads": [1, 1, 1, 1]}
    x = net.conv("x", 3, 8, 3, 3, **same)
    y = net.conv(net.conv(x, 8, 8, 3, 3, **same), 8, 8, 3, 3, relu="", **same)
    x = net.writer.node("Relu", net.writer.node("Add", y, x))
    y = net.conv(x, 8, 12, 3, 3, strides=[2, 2], **same)
    y = net.conv(y, 12, 12, 3, 3, relu="", **same)
    x = net.writer.node("Add", net.conv(x, 8, 12, 1, 1, relu="", strides=[2, 2]), y)
    x = net.writer.node("GlobalAveragePool", net.writer.node("Relu", x))
    return [3, 12, 10], net.writer.node("Softmax", net.dense(x, 12, 10))


def separable(net: Net) -> tuple[list[int], str]:
    """Like DS-CNN and MobileNet: depthwise and 1 x 1 convolutions with ReLU6."""
    x = net.conv("x", 1, 8, 5, 4, relu="Clip", strides=[2, 2], pads=[2, 1, 2, 2])
    for inputs, outputs, stride in ((8, 8, 1), (8, 16, 2), (16, 16, 1)):
        x = net.conv(x, inputs, inputs, 3, 3, relu="Clip", group=inputs, strides=[stride, stride], pads=[1, 1, 1, 1])
        x = net.conv(x, inputs, outputs, 1, 1, relu="Clip")
    return [1, 25, 10], net.dense(net.writer.node("GlobalAveragePool", x), 16, 12)


def inception(net: Net) -> tuple[list[int], str]:
    """Branches of different depth, one of them pooled, concatenated; then a concatenation with its own input."""
    stem = net.conv("x", 3, 8, 3, 3, pads=[1, 1, 1, 1])
    middle = net.conv(net.conv(stem, 8, 4, 1, 1), 4, 10, 3, 3, pads=[1, 1, 1, 1])
    pooled = net.writer.node("MaxPool", stem, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    joined = net.writer.node("Concat", net.conv(stem, 8, 6, 1, 1), middle, net.conv(pooled, 8, 4, 1, 1), axis=1)
    x = net.writer.node("Concat", net.conv(joined, 20, 8, 1, 1), joined, axis=1)
    return [3, 9, 8], net.dense(net.writer.node("GlobalAveragePool", x), 28, 5)


def temporal(net: Net) -> tuple[list[int], str]:
    """A one-dimensional network."""
    x = net.conv("x", 2, 8, 7, strides=[2], pads=[3, 3])
    x = net.writer.node("MaxPool", x, kernel_shape=[2], strides=[2])
    x = net.conv(x, 8, 8, 5, group=8, dilations=[2], pads=[4, 4])
    x = net.conv(x, 8, 12, 3)
    return [2, 64], net.dense(net.writer.node("GlobalAveragePool", x), 12, 4)


class Calibration(CalibrationDataReader):
    def __init__(self, samples: NDArray[np.float32]) -> None:
        self.samples = iter(samples)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        sample = next(self.samples, None)
        return None if sample is None else {"x": sample[None]}


def quantize(writer: Any, network: Callable[[Net], tuple[list[int], str]], form: Any, kind: Any) -> tuple[Path, Any]:
    """The network through quant_pre_process and quantize_static, and inputs for it."""
    shape, y = network(Net(writer))
    path = writer.save(["N", *shape], y)
    prepared, target = path.with_name("prepared.onnx"), path.with_name("quantized.onnx")
    quant_pre_process(str(path), str(prepared))
    quantize_static(
        str(prepared),
        str(target),
        Calibration(images(21, 20, *shape)),
        quant_format=form,
        activation_type=TYPES[kind],
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
    )
    return target, images(22, 60, *shape)


@pytest.mark.parametrize("network", [residual, separable, inception, temporal])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_network(writer: Any, network: Any, form: Any, kind: Any) -> None:
    """Exact; but maps of int8 with several readers make ONNX Runtime compute in float32, and the graph says so."""
    path, samples = quantize(writer, network, form, kind)
    signed = kind == np.int8 and form == QuantFormat.QDQ and network in (residual, inception)
    graph = import_onnx(path)
    assert bool(graph.deviations) == signed
    assert all("session.qdqisint8allowed=1" in deviation.reason for deviation in graph.deviations)
    ours = evaluate(graph, samples)
    maps = golden(graph, samples)
    np.testing.assert_array_equal(model_output(graph, maps[graph.output]), ours)
    if signed:
        np.testing.assert_array_equal(ours, reference(path, samples, **{"qdqisint8allowed": "1"}))
        difference = np.abs(ours - reference(path, samples))
        assert np.count_nonzero(difference) < 0.05 * difference.size
    else:
        np.testing.assert_array_equal(ours, reference(path, samples))
    if form == QuantFormat.QDQ and kind == np.uint8:
        judge, compared = OnnxReference(path, graph), 0
        for name in graph.tensors:
            found = judge.map(name, samples[:3])
            if found is not None:
                np.testing.assert_array_equal(found, maps[name][:3], err_msg=name)
                compared += 1
        assert compared >= len(graph.nodes) - 4


@pytest.mark.parametrize("kind", KINDS)
def test_average_pool_of_one_scale(writer: Any, kind: Any) -> None:
    """quantize_static gives AveragePool one scale at input and output: sums that are ties, reported."""

    def pooled(net: Net) -> tuple[list[int], str]:
        x = net.conv("x", 3, 8, 3, 3, pads=[1, 1, 1, 1])
        return [3, 8, 8], net.dense(net.writer.node("AveragePool", x, kernel_shape=[8, 8]), 8, 5)

    path, samples = quantize(writer, pooled, QuantFormat.QDQ, kind)
    graph = import_onnx(path)
    assert ["averages in float32 and decides ties" in deviation.reason for deviation in graph.deviations] == [True]
    steps = np.abs(evaluate(graph, samples) - reference(path, samples)) / np.float32(graph.tensors[graph.output].scale)
    assert steps.max() < 3.5
    assert np.count_nonzero(steps) < 0.2 * steps.size
