"""Imported operators against TensorFlow Lite Micro: every element of every map, on small random models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from macaw.compiler.requantize import deviations
from macaw.compiler.tflite_import import import_tflite
from macaw.sim.golden_network import golden_network, model_output, quantize_input
from macaw.sim.tflite_reference import TfliteReference

pytest.importorskip("tflite_micro")

SAME, VALID = 0, 1
NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3
COUNT = 6


def check(path: Path, inputs: NDArray[Any], layers: int | None = None, exact: bool = True) -> list[Any]:
    """Import the model, compute it with the golden model, compare the output and every map with the reference."""
    graph = import_tflite(path)
    reference = TfliteReference(path, graph)
    if layers is not None:
        assert len(graph.nodes) == layers
    golden = golden_network(graph)
    maps = golden.run(quantize_input(graph, inputs))
    if exact:
        assert deviations(graph, golden.certified) == []
        for name, found in maps.items():
            wanted = reference.map(name, inputs)
            if wanted is not None:
                np.testing.assert_array_equal(found, wanted, err_msg=name)
        output = model_output(graph, maps[graph.output])
        wanted_output = reference.outputs(inputs)
        assert output.shape == wanted_output.shape and output.dtype == wanted_output.dtype
        np.testing.assert_array_equal(output, wanted_output)
    return [graph, maps]


def integers(random: np.random.Generator, *shape: int) -> NDArray[np.int8]:
    """Uniform, the first of them all the smallest, the second all the largest, the third around a narrow middle."""
    values = random.integers(-128, 128, (COUNT, *shape)).astype(np.int8)
    values[0], values[1] = -128, 127
    values[2] = values[2] // 16
    return values


class Layer:
    """One windowed layer with random weights, quantized so that its outputs spread over int8."""

    def __init__(self, writer: Any, random: np.random.Generator) -> None:
        self.writer, self.random = writer, random

    def input(self, *shape: int, kind: str = "int8") -> int:
        scale, zero_point = float(self.random.uniform(0.01, 0.2)), int(self.random.integers(-128, 128))
        return self.writer.tensor((1, *shape), kind, scale, zero_point + (128 if kind == "uint8" else 0))

    def output(self, shape: Any, scale: float, **more: Any) -> int:
        return self.writer.tensor(shape, scale=scale, zero_point=int(self.random.integers(-128, 128)), **more)

    def weights(self, shape: tuple[int, ...], axis: int, x_scale: float, per_channel: bool) -> tuple[int, int, float]:
        """Weights and bias, and the scale of the accumulator."""
        outputs = shape[axis]
        scale = self.random.uniform(0.002, 0.02, outputs if per_channel else 1).astype(np.float32)
        array = self.random.integers(-127, 128, shape).astype(np.int8)
        bias = self.random.integers(-3000, 3000, outputs).astype(np.int32)
        product = np.float32(x_scale) * scale
        return self.writer.constant(array, scale, axis=axis), self.writer.constant(bias, product), float(product.mean())

    def scale(self, tensor: int) -> float:
        return float(self.writer.tensors[tensor]["scales"][0])


@pytest.fixture
def layer(request: pytest.FixtureRequest, tflite_writer: Any) -> Layer:
    return Layer(tflite_writer, np.random.default_rng(len(request.node.name) + 1000))


def extent(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    return -(-size // stride) if padding == SAME else (size - dilation * (kernel - 1) - 1) // stride + 1


@pytest.mark.parametrize("activation", [NONE, RELU, RELU6, RELU_N1_TO_1])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "padding"),
    [
        ((8, 7), (3, 3), (1, 1), (1, 1), SAME),
        ((8, 7), (3, 2), (2, 2), (1, 1), SAME),
        ((9, 6), (3, 3), (2, 1), (1, 1), VALID),
        ((9, 10), (3, 3), (1, 1), (2, 3), SAME),
        ((12, 5), (10, 4), (2, 2), (1, 1), SAME),
        ((1, 20), (1, 7), (1, 2), (1, 1), SAME),
    ],
)
def test_convolution(layer: Layer, size: Any, kernel: Any, stride: Any, dilation: Any, padding: int, activation: int) -> None:
    writer, channels, outputs = layer.writer, 3, 5
    x = layer.input(*size, channels)
    weights, bias, unit = layer.weights((outputs, *kernel, channels), 0, layer.scale(x), per_channel=activation != RELU6)
    rows, columns = (extent(*item, padding) for item in zip(size, kernel, stride, dilation, strict=True))
    y = layer.output((1, rows, columns, outputs), unit * 60)
    writer.operator(
        "CONV_2D", [x, weights, bias], [y], "Conv2DOptions", Padding=padding, StrideH=stride[0], StrideW=stride[1],
        DilationHFactor=dilation[0], DilationWFactor=dilation[1], FusedActivationFunction=activation,
    )  # fmt: skip
    check(writer.save(), integers(layer.random, *size, channels), layers=1)


@pytest.mark.parametrize("multiplier", [1, 2, 8])
@pytest.mark.parametrize("per_channel", [False, True])
def test_depthwise(layer: Layer, multiplier: int, per_channel: bool) -> None:
    writer, channels = layer.writer, 3
    x = layer.input(7, 6, channels)
    weights, bias, unit = layer.weights((1, 3, 2, channels * multiplier), 3, layer.scale(x), per_channel)
    y = layer.output((1, 4, 3, channels * multiplier), unit * 30)
    writer.operator(
        "DEPTHWISE_CONV_2D", [x, weights, bias], [y], "DepthwiseConv2DOptions", Padding=SAME, StrideH=2, StrideW=2,
        DepthMultiplier=multiplier, DilationHFactor=1, DilationWFactor=1, FusedActivationFunction=RELU,
    )  # fmt: skip
    check(writer.save(), integers(layer.random, 7, 6, channels), layers=1)


def test_grouped_convolution_without_bias(layer: Layer) -> None:
    writer = layer.writer
    x = layer.input(5, 5, 6)
    weights, _, unit = layer.weights((4, 3, 3, 3), 0, layer.scale(x), True)
    y = layer.output((1, 3, 3, 4), unit * 40)
    writer.operator(
        "CONV_2D", [x, weights, -1], [y], "Conv2DOptions", Padding=VALID, StrideH=1, StrideW=1, DilationHFactor=1, DilationWFactor=1
    )
    check(writer.save(), integers(layer.random, 5, 5, 6), layers=1)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("shape", [(24,), (2, 3, 4)])
def test_fully_connected(layer: Layer, per_channel: bool, shape: tuple[int, ...]) -> None:
    writer = layer.writer
    x = layer.input(*shape)
    weights, bias, unit = layer.weights((7, 24), 0, layer.scale(x), per_channel)
    y = layer.output((1, 7), unit * 40)
    writer.operator("FULLY_CONNECTED", [x, weights, bias], [y], "FullyConnectedOptions")
    check(writer.save(), integers(layer.random, *shape), layers=1)


def test_fully_connected_at_every_place(layer: Layer) -> None:
    writer = layer.writer
    x = layer.input(6, 4)
    weights, bias, unit = layer.weights((5, 4), 0, layer.scale(x), False)
    y = layer.output((1, 6, 5), unit * 20)
    writer.operator("FULLY_CONNECTED", [x, weights, bias], [y], "FullyConnectedOptions", KeepNumDims=True)
    check(writer.save(), integers(layer.random, 6, 4), layers=1)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [((8, 6), (2, 3), (2, 3), VALID), ((5, 5), (5, 5), (1, 1), VALID), ((3, 4), (7, 7), (7, 7), SAME), ((6, 6), (2, 2), (2, 2), SAME)],
)
@pytest.mark.parametrize("operator", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("activation", [NONE, RELU])
def test_pools(layer: Layer, operator: str, size: Any, kernel: Any, stride: Any, padding: int, activation: int) -> None:
    writer, channels = layer.writer, 3
    x = layer.input(*size, channels)
    rows, columns = (extent(s, k, t, 1, padding) for s, k, t in zip(size, kernel, stride, strict=True))
    y = writer.tensor((1, rows, columns, channels), scale=layer.scale(x), zero_point=int(writer.tensors[x]["zeros"][0]))
    writer.operator(
        operator, [x], [y], "Pool2DOptions", Padding=padding, StrideH=stride[0], StrideW=stride[1], FilterHeight=kernel[0],
        FilterWidth=kernel[1], FusedActivationFunction=activation,
    )  # fmt: skip
    check(writer.save(), integers(layer.random, *size, channels))


def test_max_pool_with_padding(layer: Layer) -> None:
    writer = layer.writer
    x = layer.input(5, 4, 2)
    y = writer.tensor((1, 3, 2, 2), scale=layer.scale(x), zero_point=int(writer.tensors[x]["zeros"][0]))
    writer.operator("MAX_POOL_2D", [x], [y], "Pool2DOptions", Padding=SAME, StrideH=2, StrideW=2, FilterHeight=3, FilterWidth=3)
    check(writer.save(), integers(layer.random, 5, 4, 2), layers=1)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(
    ("shape", "axes"), [((5, 7, 3), [1, 2]), ((5, 5, 3), [1, 2]), ((5, 7, 3), [-2, 1]), ((5, 4, 3), [2]), ((9, 3), [1]), ((4, 4, 3), [1, 2])]
)
@pytest.mark.parametrize("factor", [1.0, 0.37, 2.6])
def test_mean(layer: Layer, keep: bool, shape: tuple[int, ...], axes: list[int], factor: float) -> None:
    writer = layer.writer
    x = layer.input(*shape)
    rank = len(shape) + 1
    reduced = {axis % rank for axis in axes}
    whole = (1, *shape)
    result = [1 if i in reduced else e for i, e in enumerate(whole) if keep or i not in reduced]
    y = layer.output(result, layer.scale(x) * factor)
    writer.operator("MEAN", [x, writer.constant(np.array(axes, np.int32))], [y], "ReducerOptions", KeepDims=keep)
    check(writer.save(), integers(layer.random, *shape), layers=1)


@pytest.mark.parametrize("activation", [NONE, RELU, RELU6])
@pytest.mark.parametrize("ratio", [1.0, 0.3, 4.1])
def test_add_of_maps(layer: Layer, activation: int, ratio: float) -> None:
    writer = layer.writer
    x = layer.input(4, 3, 5)
    weights, bias, unit = layer.weights((5, 1, 1, 5), 0, layer.scale(x), True)
    branch = layer.output((1, 4, 3, 5), layer.scale(x) * ratio)
    options = {"Padding": SAME, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    writer.operator("CONV_2D", [x, weights, bias], [branch], "Conv2DOptions", **options)
    y = layer.output((1, 4, 3, 5), layer.scale(x) * max(1.0, ratio) * 1.3)
    writer.operator("ADD", [x, branch], [y], "AddOptions", FusedActivationFunction=activation)
    check(writer.save(), integers(layer.random, 4, 3, 5), layers=2)


@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("operator", ["ADD", "MUL"])
def test_constant_operand(layer: Layer, operator: str, size: int, swapped: bool) -> None:
    """One number, or one for each channel, of both signs: a factor below 0 turns the order round."""
    writer = layer.writer
    x = layer.input(4, 3, 5)
    numbers = np.array([[-100, -3, 5, 60, 127][:size] if size > 1 else [-77]], np.int8).reshape(-1)
    other = writer.constant(numbers, 0.03, 4)
    scale = layer.scale(x) * (1.4 if operator == "ADD" else 2.0)
    y = layer.output((1, 4, 3, 5), scale)
    pair = [other, x] if swapped else [x, other]
    writer.operator(operator, pair, [y], "AddOptions" if operator == "ADD" else "MulOptions", FusedActivationFunction=RELU)
    check(writer.save(), integers(layer.random, 4, 3, 5), layers=1)


@pytest.mark.parametrize("operator", ["RELU", "RELU6"])
def test_separate_activation_joins_the_layer(layer: Layer, operator: str) -> None:
    writer = layer.writer
    x = layer.input(4, 3, 5)
    weights, bias, unit = layer.weights((4, 1, 1, 5), 0, layer.scale(x), True)
    middle = writer.tensor((1, 4, 3, 4), scale=unit * 40, zero_point=-20)
    options = {"Padding": SAME, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    writer.operator("CONV_2D", [x, weights, bias], [middle], "Conv2DOptions", **options)
    y = writer.tensor((1, 4, 3, 4), scale=unit * 40, zero_point=-20)
    writer.operator(operator, [middle], [y])
    graph, maps = check(writer.save(), integers(layer.random, 4, 3, 5), layers=1)
    assert maps[graph.output].min() == -20


def test_relu_that_rescales_is_a_layer(layer: Layer) -> None:
    writer = layer.writer
    x = layer.input(4, 3, 5)
    y = layer.output((1, 4, 3, 5), layer.scale(x) * 0.61)
    writer.operator("RELU", [x], [y])
    check(writer.save(), integers(layer.random, 4, 3, 5), layers=1)


@pytest.mark.parametrize("factor", [0.43, 1.0, 3.7])
def test_quantize_between_layers(layer: Layer, factor: float) -> None:
    writer = layer.writer
    x = layer.input(4, 3, 5)
    y = layer.output((1, 4, 3, 5), layer.scale(x) * factor)
    writer.operator("QUANTIZE", [x], [y])
    check(writer.save(), integers(layer.random, 4, 3, 5), layers=1)


def test_uint8_outside_int8_inside(layer: Layer) -> None:
    """What the converter makes with inference_input_type = inference_output_type = uint8: QUANTIZE at both ends."""
    writer = layer.writer
    x = writer.tensor((1, 4, 3, 2), "uint8", 0.05, 120)
    inner = writer.tensor((1, 4, 3, 2), scale=0.05, zero_point=-8)
    writer.operator("QUANTIZE", [x], [inner])
    weights, bias, unit = layer.weights((3, 24), 0, 0.05, False)
    sums = writer.tensor((1, 3), scale=unit * 40, zero_point=11)
    writer.operator("FULLY_CONNECTED", [inner, weights, bias], [sums], "FullyConnectedOptions")
    y = writer.tensor((1, 3), "uint8", unit * 40, 139)
    writer.operator("QUANTIZE", [sums], [y])
    graph, _ = check(writer.save(), integers(layer.random, 4, 3, 2).view(np.uint8), layers=1)
    assert not graph.input_float and graph.tensors[graph.input].unsigned


@pytest.mark.parametrize("quantized", [True, False])
def test_float_outside(layer: Layer, quantized: bool) -> None:
    """QUANTIZE of a float input rounds halves away from zero; DEQUANTIZE behind the network or behind its SOFTMAX."""
    writer = layer.writer
    x = writer.tensor((1, 6), "float32")
    inner = writer.tensor((1, 6), scale=0.25, zero_point=-7)
    writer.operator("QUANTIZE", [x], [inner])
    weights, bias, unit = layer.weights((4, 6), 0, 0.25, False)
    y = writer.tensor((1, 4), scale=unit * 30, zero_point=3)
    writer.operator("FULLY_CONNECTED", [inner, weights, bias], [y], "FullyConnectedOptions")
    if quantized:
        source, y = y, writer.tensor((1, 4), scale=1 / 256, zero_point=-128)
        writer.operator("SOFTMAX", [source], [y], "SoftmaxOptions", Beta=1.0)
    real = writer.tensor((1, 4), "float32")
    writer.operator("DEQUANTIZE", [y], [real])
    inputs = layer.random.uniform(-40, 40, (COUNT, 6)).astype(np.float32)
    inputs[0] = np.array([0.125, 0.375, -0.125, -0.375, 99, -99], np.float32)
    check(writer.save(), inputs, layers=1)


@pytest.mark.parametrize("beta", [1.0, 0.5])
@pytest.mark.parametrize("operator", ["SOFTMAX", "LOGISTIC"])
def test_host_kernels_behind_a_layer(layer: Layer, operator: str, beta: float) -> None:
    writer = layer.writer
    x = layer.input(10)
    weights, bias, unit = layer.weights((12, 10), 0, layer.scale(x), False)
    middle = layer.output((1, 12), unit * 100)
    writer.operator("FULLY_CONNECTED", [x, weights, bias], [middle], "FullyConnectedOptions")
    y = writer.tensor((1, 12), scale=1 / 256, zero_point=-128)
    options: dict[str, Any] = {"options": "SoftmaxOptions", "Beta": beta} if operator == "SOFTMAX" else {}
    writer.operator(operator, [middle], [y], **options)
    check(writer.save(), integers(layer.random, 10), layers=1)


def test_arg_max_behind_a_layer(layer: Layer) -> None:
    writer = layer.writer
    x = layer.input(10)
    weights, bias, unit = layer.weights((12, 10), 0, layer.scale(x), False)
    middle = layer.output((1, 12), unit * 100)
    writer.operator("FULLY_CONNECTED", [x, weights, bias], [middle], "FullyConnectedOptions")
    y = writer.tensor((1,), "int32")
    writer.operator("ARG_MAX", [middle, writer.constant(np.array(1, np.int32))], [y], "ArgMaxOptions", OutputType=2)
    path, inputs = writer.save(), integers(layer.random, 10)
    graph, maps = check(path, inputs, layers=1, exact=False)
    reference = TfliteReference(path, graph)
    np.testing.assert_array_equal(model_output(graph, maps[graph.output]), reference.outputs(inputs))


@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize("operator", ["PAD", "PADV2"])
def test_pad_joins_the_convolution(layer: Layer, operator: str, padding: int) -> None:
    writer = layer.writer
    x = layer.input(6, 5, 2)
    zero_point, scale = int(writer.tensors[x]["zeros"][0]), layer.scale(x)
    amounts = writer.constant(np.array([[0, 0], [1, 1], [0, 1], [0, 0]], np.int32))
    padded = writer.tensor((1, 8, 6, 2), scale=scale, zero_point=zero_point)
    more = [writer.constant(np.array(zero_point, np.int8), scale, zero_point)] if operator == "PADV2" else []
    writer.operator(operator, [x, amounts, *more], [padded])
    weights, bias, unit = layer.weights((4, 3, 3, 2), 0, scale, True)
    rows, columns = extent(8, 3, 2, 1, padding), extent(6, 3, 1, 1, padding)
    y = layer.output((1, rows, columns, 4), unit * 40)
    writer.operator(
        "CONV_2D", [padded, weights, bias], [y], "Conv2DOptions", Padding=padding, StrideH=2, StrideW=1, DilationHFactor=1, DilationWFactor=1
    )  # fmt: skip
    check(writer.save(), integers(layer.random, 6, 5, 2), layers=1)


def test_pad_in_front_of_an_average_counts(layer: Layer) -> None:
    writer = layer.writer
    x = layer.input(4, 4, 2)
    zero_point, scale = int(writer.tensors[x]["zeros"][0]), layer.scale(x)
    amounts = writer.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    padded = writer.tensor((1, 6, 6, 2), scale=scale, zero_point=zero_point)
    writer.operator("PAD", [x, amounts], [padded])
    y = writer.tensor((1, 2, 2, 2), scale=scale, zero_point=zero_point)
    writer.operator("AVERAGE_POOL_2D", [padded], [y], "Pool2DOptions", Padding=VALID, StrideH=3, StrideW=3, FilterHeight=3, FilterWidth=3)
    check(writer.save(), integers(layer.random, 4, 4, 2), layers=1)


def test_concatenation(layer: Layer) -> None:
    writer = layer.writer
    x = layer.input(4, 3, 2)
    scale = layer.scale(x) * 1.5
    options = {"Padding": SAME, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    parts = []
    for channels in (3, 5):
        weights, bias, _ = layer.weights((channels, 3, 3, 2), 0, layer.scale(x), True)
        parts.append(writer.tensor((1, 4, 3, channels), scale=scale, zero_point=-30))
        writer.operator("CONV_2D", [x, weights, bias], [parts[-1]], "Conv2DOptions", **options)
    y = writer.tensor((1, 4, 3, 8), scale=scale, zero_point=-30)
    writer.operator("CONCATENATION", parts, [y], "ConcatenationOptions", Axis=-1)
    check(writer.save(), integers(layer.random, 4, 3, 2), layers=3)


def test_one_dimensional_layers_in_both_directions(layer: Layer) -> None:
    """Keras writes Conv1D over a map of one row and MaxPooling1D over a map of one column: rows and columns are exchanged."""
    writer = layer.writer
    x = layer.input(12, 2)
    scale, zero_point = layer.scale(x), int(writer.tensors[x]["zeros"][0])
    rows = writer.tensor((1, 1, 12, 2), scale=scale, zero_point=zero_point)
    writer.operator("EXPAND_DIMS", [x, writer.constant(np.array(1, np.int32))], [rows])
    weights, bias, unit = layer.weights((4, 1, 3, 2), 0, scale, True)
    first = writer.tensor((1, 1, 12, 4), scale=unit * 30, zero_point=9)
    options = {"Padding": SAME, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    writer.operator("CONV_2D", [rows, weights, bias], [first], "Conv2DOptions", **options)
    flat = writer.tensor((1, 12, 4), scale=unit * 30, zero_point=9)
    writer.operator("SQUEEZE", [first], [flat], "SqueezeOptions", SqueezeDims=[1])
    column = writer.tensor((1, 12, 1, 4), scale=unit * 30, zero_point=9)
    writer.operator("RESHAPE", [flat, writer.constant(np.array([1, 12, 1, 4], np.int32))], [column])
    pooled = writer.tensor((1, 6, 1, 4), scale=unit * 30, zero_point=9)
    writer.operator("MAX_POOL_2D", [column], [pooled], "Pool2DOptions", Padding=VALID, StrideH=2, StrideW=1, FilterHeight=2, FilterWidth=1)
    weights, bias, last = layer.weights((3, 3, 1, 4), 0, unit * 30, True)
    second = writer.tensor((1, 2, 1, 3), scale=last * 60, zero_point=-50)
    writer.operator("CONV_2D", [pooled, weights, bias], [second], "Conv2DOptions", **options | {"Padding": VALID, "StrideH": 2})
    weights, bias, unit = layer.weights((5, 6), 0, last * 60, False)
    y = layer.output((1, 5), unit * 40)
    writer.operator("FULLY_CONNECTED", [second, weights, bias], [y], "FullyConnectedOptions")
    graph, _ = check(writer.save(), integers(layer.random, 12, 2), layers=4)
    assert {tensor.shape[0] for tensor in graph.tensors.values()} == {1}


def test_computed_shape_is_folded(layer: Layer) -> None:
    writer = layer.writer
    x = layer.input(2, 3, 4)
    scale, zero_point = layer.scale(x), int(writer.tensors[x]["zeros"][0])
    shape, batch, wanted = writer.tensor((4,), "int32"), writer.tensor((), "int32"), writer.tensor((2,), "int32")
    writer.operator("SHAPE", [x], [shape], "ShapeOptions", OutType=2)
    ends = [writer.constant(np.array([number], np.int32)) for number in (0, 1, 1)]
    writer.operator("STRIDED_SLICE", [shape, *ends], [batch], "StridedSliceOptions", ShrinkAxisMask=1)
    writer.operator("PACK", [batch, writer.constant(np.array(24, np.int32))], [wanted], "PackOptions", ValuesCount=2)
    flat = writer.tensor((1, 24), scale=scale, zero_point=zero_point)
    writer.operator("RESHAPE", [x, wanted], [flat], "ReshapeOptions")
    weights, bias, unit = layer.weights((7, 24), 0, scale, True)
    y = layer.output((1, 7), unit * 40)
    writer.operator("FULLY_CONNECTED", [flat, weights, bias], [y], "FullyConnectedOptions")
    check(writer.save(), integers(layer.random, 2, 3, 4), layers=1)
