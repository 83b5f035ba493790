"""What the TensorFlow Lite importer makes of a model, and how it refuses one: every rule, and damaged files."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from macaw.compiler.graph import Concat, Convolution
from macaw.compiler.model_import import import_model, model_rounding
from macaw.compiler.problem import ModelError
from macaw.compiler.requantization import FixedPointRequantization
from macaw.compiler.tflite_file import load_tflite
from macaw.compiler.tflite_import import import_tflite
from macaw.compiler.tflite_quantization import quantize_multiplier
from macaw.hw.errors import UserError

ROOT = Path(__file__).parents[2]
STREAMING = ROOT.parent / "shared" / "data" / "stream_stateful" / "hey_mycroft_stream_int8.tflite"
SAME, VALID = 0, 1
CONV = {"Padding": SAME, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}


def refused(path: Path, *parts: str, problems: int = 1) -> ModelError:
    """Import must list this many problems, whose text has all the parts."""
    with pytest.raises(ModelError) as caught:
        import_tflite(path)
    text = str(caught.value)
    assert len(caught.value.problems) == problems, text
    for part in parts:
        assert part in text, text
    assert all(problem.rule and problem.remedy for problem in caught.value.problems)
    return caught.value


class Models:
    """A convolution, a fully connected layer and a softmax; each method spoils one thing."""

    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def convolution(self, x: int, **changes: Any) -> int:
        """Appends 1x6x5x2 -> 1x6x5x3; ``changes``: weights, weight_scale, weight_options, bias, output, options."""
        writer = self.writer
        array = changes.get("weights", np.arange(-27, 27, dtype=np.int8).reshape(3, 3, 3, 2))
        scale = changes.get("weight_scale", 0.01)
        weights = writer.constant(array, scale, **changes.get("weight_options", {}))
        bias = changes.get("bias", np.arange(3, dtype=np.int32))
        bias = bias if isinstance(bias, int) else writer.constant(bias)
        output = writer.tensor(**{"shape": (1, 6, 5, 3), "scale": 0.1, "zero_point": -4, **changes.get("output", {})})
        writer.operator("CONV_2D", [x, weights, bias], [output], "Conv2DOptions", **{**CONV, **changes.get("options", {})})
        return output

    def input(self, **changes: Any) -> int:
        return self.writer.tensor(**{"shape": (1, 6, 5, 2), "scale": 0.05, "zero_point": 3, "name": "image", **changes})

    def whole(self, **changes: Any) -> Path:
        self.convolution(self.input(**changes.pop("input", {})), **changes)
        return self.writer.save()


@pytest.fixture
def models(tflite_writer: Any) -> Models:
    return Models(tflite_writer)


# What is imported


def test_graph_of_a_small_model(models: Models) -> None:
    graph = import_tflite(models.whole(options={"FusedActivationFunction": 1}, weight_scale=[0.01, 0.02, 0.03]))
    (layer,) = graph.nodes
    assert isinstance(layer, Convolution) and isinstance(layer.requantization, FixedPointRequantization)
    assert (layer.name, layer.operator, layer.padding) == ("0:t3", "CONV_2D", (1, 1, 1, 1))
    assert layer.bias.tolist() == [0, 1, 2] and layer.weights.shape == (3, 3, 3, 2)
    assert (layer.requantization.zero_point, layer.requantization.low, layer.requantization.high) == (-4, -4, 127)
    real = layer.requantization.multiplier * 2.0 ** (layer.requantization.shift - 31)
    np.testing.assert_allclose(real, [0.005, 0.01, 0.015], rtol=1e-6)
    assert graph.input_name == "image" and not graph.input_float and graph.input_shape == (1, 6, 5, 2)
    assert graph.tensors["image"].shape == (6, 5, 2) and graph.tensors[graph.output].shape == (6, 5, 3)
    assert graph.output_shape == (1, 6, 5, 3) and graph.deviations == []


def test_same_padding_puts_the_larger_half_behind(models: Models) -> None:
    graph = import_tflite(models.whole(options={"StrideH": 2, "StrideW": 2}, output={"shape": (1, 3, 3, 3)}))
    assert graph.nodes[0].padding == (0, 1, 1, 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("real", "multiplier", "shift"),
    [(0.0, 0, 0), (1.0, 1 << 30, 1), (0.5, 1 << 30, 0), (0.75, 3 << 29, 0), (1 - 2.0**-33, 1 << 30, 1), (2.0**-33, 0, 0)],
)
def test_quantized_multiplier(real: float, multiplier: int, shift: int) -> None:
    found = quantize_multiplier(np.array([real]))
    assert (int(found[0][0]), int(found[1][0])) == (multiplier, shift)


def test_content_decides_about_the_format(models: Models, tmp_path: Path) -> None:
    path = models.whole()
    other = tmp_path / "no_suffix"
    other.write_bytes(path.read_bytes())
    assert import_model(other).nodes[0].name == import_model(path).nodes[0].name == "0:t3"
    rule = import_model(other, "single").nodes[0].requantization  # type: ignore[attr-defined]
    assert rule.rounding == "single"
    assert model_rounding(other, None) == "tflm"
    digits = ROOT / "examples" / "digits" / "digits_int8.onnx"
    assert model_rounding(digits, None) is None
    with pytest.raises(UserError, match="--rounding belongs to TensorFlow Lite models"):
        import_model(digits, "tflm")
    with pytest.raises(UserError, match="--rounding is tflm or single, not 'twice'"):
        import_model(path, "twice")
    with pytest.raises(UserError, match="There is no model file"):
        import_model(tmp_path / "absent.tflite")


def test_tensors_of_one_name_are_told_apart(models: Models) -> None:
    x = models.input(name="same")
    models.convolution(x, output={"name": "same"})
    assert set(import_tflite(models.writer.save()).tensors) == {"same#0", "same#3"}


def test_uint8_model_is_held_minus_128(models: Models) -> None:
    weights = (np.arange(54) + 100).astype(np.uint8).reshape(3, 3, 3, 2)
    graph = import_tflite(
        models.whole(
            input={"kind": "uint8", "zero_point": 130}, weights=weights, weight_options={"zero_point": 128},
            output={"kind": "uint8", "zero_point": 0},
        )
    )  # fmt: skip
    (layer,) = graph.nodes
    assert isinstance(layer, Convolution)
    np.testing.assert_array_equal(layer.weights.ravel(), np.arange(54) - 28)
    assert graph.tensors["image"].zero_point == 2 and graph.tensors["image"].unsigned
    assert layer.requantization.zero_point == -128
    # Per tensor the product of the scales is a float32, where int8 models multiply in double precision.
    real = float(np.float32(0.05) * np.float32(0.01)) / float(np.float32(0.1))
    assert isinstance(layer.requantization, FixedPointRequantization)
    assert layer.requantization.multiplier[0] == quantize_multiplier(np.array([real]))[0][0]


def test_uint8_average_rounds_the_unsigned_numbers(models: Models) -> None:
    x = models.input(kind="uint8", zero_point=7)
    y = models.writer.tensor((1, 3, 1, 2), "uint8", 0.05, 7)
    models.writer.operator(
        "AVERAGE_POOL_2D", [x], [y], "Pool2DOptions", Padding=VALID, StrideH=2, StrideW=5, FilterHeight=2, FilterWidth=5
    )
    graph = import_tflite(models.writer.save())
    (layer,) = graph.nodes
    assert isinstance(layer, Convolution)
    sums = np.array([0, 4, 5, 14, 15, 2549, 2550])  # of ten uint8 numbers; halves round up
    centred = sums - 10 * 7  # what the engine's accumulator means: x minus its zero point
    found = layer.requantization.outputs(centred + layer.bias[0], 0)
    assert (found + 128).tolist() == [0, 0, 1, 1, 2, 255, 255]


def test_uint8_concatenation_rescales_its_parts(models: Models) -> None:
    writer = models.writer
    x = models.input(kind="uint8", zero_point=0)
    parts = [
        models.convolution(x, output={"kind": "uint8", "scale": scale, "zero_point": 10}) for scale in (0.1, 0.05)
    ]
    y = writer.tensor((1, 6, 5, 6), "uint8", 0.1, 10)
    writer.operator("CONCATENATION", parts, [y], "ConcatenationOptions", Axis=3)
    graph = import_tflite(writer.save())
    first, second, part, whole = graph.nodes
    assert isinstance(whole, Concat) and whole.inputs == (first.output, part.output)
    assert isinstance(part, Convolution) and part.input == second.output
    # out = round((q - 10) * 0.5) + 10, halves away from zero
    source = graph.tensors[second.output]
    for q, wanted in ((10, 10), (11, 11), (13, 12), (9, 9), (7, 8), (255, 133)):
        accumulator = np.array([q - 128 - source.zero_point]) + part.bias[0]
        assert part.requantization.outputs(accumulator, 0)[0] + 128 == wanted


# What is refused


def test_float_model(models: Models) -> None:
    path = models.whole(
        input={"kind": "float32", "scale": None}, weights=np.zeros((3, 3, 3, 2), np.float32), weight_scale=None,
        bias=np.zeros(3, np.float32), output={"kind": "float32", "scale": None},
    )  # fmt: skip
    refused(path, "'0:t3' (CONV_2D, 1x6x5x2 -> 1x6x5x3)", "the model is not quantized", "full integer quantization")


def test_dynamic_range_model(models: Models) -> None:
    x = models.input(kind="float32", scale=None)
    for _ in range(2):
        x = models.convolution(x, output={"kind": "float32", "scale": None, "shape": (1, 6, 5, 2)}, weights=np.ones((2, 3, 3, 2), np.int8))
    refused(models.writer.save(), "weights int8 (dynamic-range quantization), and 1 more operators likewise")


def test_int16_activations(models: Models) -> None:
    path = models.whole(input={"kind": "int16"}, bias=np.zeros(3, np.int64), output={"kind": "int16"})
    refused(path, "its activations are int16", "input 'image' is int16", problems=2)


def test_int64_bias(models: Models) -> None:
    refused(models.whole(bias=np.zeros(3, np.int64)), "its bias, 't2', is int64, not int32")


def test_all_unsupported_operators_are_listed(models: Models) -> None:
    writer = models.writer
    x = models.convolution(models.input())
    for kind in ("SIN", "CUSTOM Magic", "TRANSPOSE_CONV"):
        y = writer.tensor((1, 6, 5, 3), scale=0.1)
        writer.operator(kind, [x], [y])
        x = y
    error = refused(
        writer.save(), "(SIN, ", "'1:t4'", "(operator 1: 't3' -> 't4')", "(CUSTOM Magic, ", "(operator 2: 't4' -> 't5')",
        "(TRANSPOSE_CONV, ", "(operator 3: 't5' -> 't6')", problems=3,
    )  # fmt: skip
    assert [problem.node for problem in error.problems] == ["1:t4", "2:t5", "3:t6"]


def test_several_subgraphs(models: Models) -> None:
    models.convolution(models.input())
    refused(models.writer.save(subgraphs=2), "it has 2 subgraphs, exactly one is supported")


def test_variables(models: Models) -> None:
    writer = models.writer
    models.convolution(models.input())
    handle, state = writer.tensor((), "int32", name="handle"), writer.tensor((1, 2), scale=0.1, name="state")
    writer.operator("VAR_HANDLE", [], [handle])
    writer.operator("READ_VARIABLE", [handle], [state])
    refused(
        writer.save(outputs=[3]), "it keeps state from one run to the next", "VAR_HANDLE (operator 1: nothing -> 'handle')",
        "READ_VARIABLE (operator 2: 'handle' -> 'state')",
    )  # fmt: skip


def test_variable_tensor(models: Models) -> None:
    writer = models.writer
    x = models.convolution(models.input())
    y = writer.tensor((1, 6, 5, 3), scale=0.1, zero_point=-4)
    state = writer.tensor((1, 6, 5, 3), scale=0.1, zero_point=-4, variable=True)
    writer.operator("ADD", [x, state], [y], "AddOptions")
    refused(writer.save(), "it reads a variable")


@pytest.mark.skipif(not STREAMING.exists(), reason="the streaming model is not in ../shared/data")
def test_streaming_model() -> None:
    with pytest.raises(ModelError) as caught:
        import_tflite(STREAMING)
    text = str(caught.value)
    for part in ("2 subgraphs", "CALL_ONCE (operator 0", "VAR_HANDLE (operator 6", "ASSIGN_VARIABLE (operator 40", "stream_11/states"):
        assert part in text


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"input": {"scale": None}}, "tensor 'image' has no quantization parameters"),
        ({"input": {"scale": 0.0}}, "tensor 'image' has the scale 0.0, which is not positive"),
        ({"input": {"scale": -1.0}}, "tensor 'image' has the scale -1.0, which is not positive"),
        ({"input": {"scale": float("nan")}}, "tensor 'image' has the scale nan, which is not positive"),
        ({"input": {"scale": [0.1, 0.2]}}, "tensor 'image' has 2 scales and 2 zero points"),
        ({"input": {"zero_point": 200}}, "tensor 'image' has a zero point outside int8"),
        ({"output": {"scale": None}}, "tensor 't3' has no quantization parameters"),
        ({"output": {"scale": 0.0}}, "tensor 't3' has the scale 0.0"),
        ({"output": {"scale": 1e-30}}, "its output is far too small"),
        ({"weight_scale": None}, "its weights, 't1', have no quantization parameters"),
        ({"weight_scale": [0.1, 0.0, 0.1]}, "its weights, 't1', have a scale that is not positive"),
        ({"weight_scale": [0.1, 0.1]}, "2 scales along axis 0, not one for each of the 3 outputs"),
        ({"weight_scale": [0.1, 0.2, 0.3], "weight_options": {"axis": 3}}, "3 scales along axis 3"),
        ({"weight_scale": [0.1, 0.2, 0.3], "weight_options": {"zero_point": [0, 1, 0]}}, "asymmetric per channel"),
        ({"weight_options": {"zero_point": 110}}, "minus their zero point 110 reach -137..-84"),
        ({"weight_options": {"buffer": 0}}, "its weights, 't1', must be constant"),
        ({"weights": np.zeros((3, 3, 3, 2), np.int16)}, "its weights, 't1', must not be int16"),
        ({"weights": np.zeros((3, 3, 3, 4), np.int8)}, "its weights read 4 channels and make 3"),
        ({"weights": np.zeros((3, 18), np.int8)}, "its weights have 2 dimensions"),
        ({"bias": np.zeros(2, np.int32)}, "its bias, 't2', has 2 values for 3 outputs"),
        ({"bias": np.full(3, 2**31 - 1, np.int32)}, "the sums of output channel 0 can exceed int32"),
        ({"options": {"FusedActivationFunction": 4}}, "its fused activation TANH is not supported"),
        ({"options": {"FusedActivationFunction": 99}}, "its fused activation number 99 is not supported"),
        ({"options": {"Padding": 7}}, "its padding number 7 is unknown"),
        ({"options": {"StrideH": 0}}, "strides and dilations must be positive"),
        ({"options": {"StrideH": -2}}, "strides and dilations must be positive"),
        ({"options": {"StrideH": 1 << 30}}, "exceed 4096"),
        ({"options": {"Padding": VALID, "DilationHFactor": 9}}, "the kernel is larger than the padded map"),
        ({"output": {"shape": (1, 6, 5, 4)}}, "its output should be 1x6x5x3, the model says 1x6x5x4"),
        ({"output": {"signature": (1, -1, 5, 3), "shape": (1, 1, 5, 3)}}, "dynamic shape 1x1x5x3"),
        ({"input": {"signature": (1, -1, 5, 2)}}, "input 'image' has the dynamic shape 1x?x5x2"),
        ({"input": {"shape": (2, 6, 5, 2)}}, "its first extent must be a batch of 1"),
        ({"input": {"shape": (1, 1 << 14, 1 << 14, 2)}}, "more than 16777216 elements"),
    ],
)  # fmt: skip
def test_rules_of_a_layer(models: Models, changes: dict[str, Any], part: str) -> None:
    refused(models.whole(**changes), part)


def test_shape_and_data_of_weights_must_fit(models: Models) -> None:
    writer = models.writer
    x = models.input()
    models.convolution(x)
    writer.tensors[1]["shape"] = [3, 3, 3, 4]
    rule = "its weights, 't1', has 54 bytes of data, but int8 of shape 3x3x3x4 needs 108"
    refused(writer.save(), rule)


def test_bias_of_another_scale(models: Models) -> None:
    models.convolution(models.input())
    models.writer.tensors[2] |= {"scales": np.array([0.5], np.float32), "zeros": np.zeros(1, np.int64)}
    refused(models.writer.save(), "the scale of its bias, 't2', is not that of the input times that of the weights")


def test_several_inputs_and_outputs(models: Models) -> None:
    models.convolution(models.input())
    second = models.writer.tensor((1, 2), scale=0.1, name="second")
    refused(models.writer.save(inputs=[0, second]), "it has 2 inputs ('image', 'second')")
    refused(models.writer.save(outputs=[3, 0]), "it has 2 outputs ('t3', 'image')")
    refused(models.writer.save(outputs=[second]), "output 'second' is not computed")


def test_network_without_layers(models: Models) -> None:
    models.input()
    models.writer.tensor((1, 60), scale=0.05, zero_point=3)
    models.writer.operator("RESHAPE", [0], [1])
    refused(models.writer.save(), "it has no layer for the engine")


@pytest.mark.parametrize(
    ("padding", "kernel", "stride", "part"),
    [
        (SAME, (3, 3), (1, 1), "the divisor changes at the border"),
        (VALID, (7, 2), (1, 1), "the kernel is larger than the padded map"),
    ],
)
def test_average_pools(models: Models, padding: int, kernel: Any, stride: Any, part: str) -> None:
    x = models.input()
    y = models.writer.tensor((1, 6, 5, 2), scale=0.05, zero_point=3)
    models.writer.operator(
        "AVERAGE_POOL_2D", [x], [y], "Pool2DOptions", Padding=padding, StrideH=stride[0], StrideW=stride[1],
        FilterHeight=kernel[0], FilterWidth=kernel[1],
    )  # fmt: skip
    refused(models.writer.save(), part)


@pytest.mark.parametrize("operator", ["MAX_POOL_2D", "AVERAGE_POOL_2D", "RELU6", "RESHAPE"])
def test_operators_that_do_not_rescale(models: Models, operator: str) -> None:
    x = models.input()
    y = models.writer.tensor((1, 6, 5, 2), scale=0.06, zero_point=3)
    options: dict[str, Any] = {}
    if "POOL" in operator:
        options = {"options": "Pool2DOptions", "StrideH": 1, "StrideW": 1, "FilterHeight": 1, "FilterWidth": 1}
    models.writer.operator(operator, [x], [y], **options)
    refused(models.writer.save(), f"scale 0.05 and zero point 3, its output scale 0.06 and zero point 3, but {operator} does not rescale")


def test_concatenation(models: Models) -> None:
    writer = models.writer
    x = models.input()
    a, b = models.convolution(x), models.convolution(x, output={"scale": 0.2})
    y = writer.tensor((1, 6, 5, 6), scale=0.1, zero_point=-4)
    writer.operator("CONCATENATION", [a, b], [y], "ConcatenationOptions", Axis=3)
    refused(writer.save(), "has scale 0.2 and zero point -4, its output scale 0.1 and zero point -4", "give all the same")
    writer.operators[-1] = writer.operators[-1] | {"fields": {"Axis": 1}}
    refused(writer.save(), "it works along axis 1 of 1x6x5x6, not along the channels")


@pytest.mark.parametrize(
    ("shape", "part"),
    [((5,), "has shape 5"), ((6, 5, 2), "has shape 6x5x2"), ((6, 1, 1), "has shape 6x1x1")],
)
@pytest.mark.parametrize("operator", ["ADD", "MUL"])
def test_constant_operands(models: Models, operator: str, shape: tuple[int, ...], part: str) -> None:
    x = models.input()
    other = models.writer.constant(np.ones(shape, np.int8), 0.1)
    y = models.writer.tensor((1, 6, 5, 2), scale=0.1)
    models.writer.operator(operator, [x, other], [y])
    refused(models.writer.save(), part, "use one number, or one for each channel")


def test_product_of_maps(models: Models) -> None:
    x = models.input()
    y = models.writer.tensor((1, 6, 5, 2), scale=0.1)
    models.writer.operator("MUL", [x, x], [y])
    refused(models.writer.save(), "it multiplies two maps")


def test_sum_of_maps_of_different_shapes(models: Models) -> None:
    writer = models.writer
    x = models.input()
    pooled = writer.tensor((1, 1, 1, 2), scale=0.1)
    writer.operator("MEAN", [x, writer.constant(np.array([1, 2], np.int32))], [pooled], "ReducerOptions", KeepDims=True)
    y = writer.tensor((1, 6, 5, 2), scale=0.1)
    writer.operator("ADD", [x, pooled], [y], "AddOptions")
    refused(writer.save(), "it adds maps of the shapes 1x6x5x2 and 1x1x1x2")


@pytest.mark.parametrize(
    ("amounts", "value", "part"),
    [
        ([[0, 0], [1, 1], [1, 1], [0, 1]], 3, "it pads other dimensions than rows and columns"),
        ([[0, 0], [1, 1], [1, 1], [0, 0]], 0, "it pads with 0, not with the zero point 3"),
        ([[0, 0], [1, 1], [-1, 1], [0, 0]], 3, "its amounts are not constant, two for each dimension"),
        ([[0, 0], [0, 1], [1, 1], [0, 0]], 3, "its output should be 1x7x7x2, not 1x8x7x2"),
    ],
)
def test_pads(models: Models, amounts: Any, value: int, part: str) -> None:
    writer = models.writer
    x = models.input()
    channels = 3 if amounts[3][1] else 2
    padded = writer.tensor((1, 8, 7, channels), scale=0.05, zero_point=3)
    numbers = writer.constant(np.array(amounts, np.int32)), writer.constant(np.array(value, np.int8), 0.05, 3)
    writer.operator("PADV2", [x, *numbers], [padded])
    refused(writer.save(), part)


def test_pad_without_a_reader_that_takes_it(models: Models) -> None:
    writer = models.writer
    x = models.input()
    padded = writer.tensor((1, 8, 7, 2), scale=0.05, zero_point=3, name="padded")
    writer.operator("PAD", [x, writer.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))], [padded])
    y = writer.tensor((1, 8, 7, 2), scale=0.05, zero_point=3)
    writer.operator("RELU", [padded], [y])
    refused(writer.save(), "a PAD (0:padded) stands in front of it")


def test_rearranged_data(models: Models) -> None:
    writer = models.writer
    x = models.convolution(models.input())
    moved = writer.tensor((1, 3, 5, 6), scale=0.1, zero_point=-4)
    writer.operator("RESHAPE", [x], [moved])
    weights = writer.constant(np.ones((1, 1, 1, 6), np.int8), 0.1)
    y = writer.tensor((1, 3, 5, 1), scale=0.1)
    writer.operator("CONV_2D", [moved, weights], [y], "Conv2DOptions", **CONV)
    refused(writer.save(), "the data must be rearranged in front of it: the map is 6x5x3, it reads 3x5x6")


@pytest.mark.parametrize(
    ("output", "beta", "part"),
    [
        ({"scale": 1 / 255, "zero_point": -128}, 1.0, "not the scale 1/256"),
        ({"scale": 1 / 256, "zero_point": 0}, 1.0, "not the scale 1/256"),
        ({"scale": 1 / 256, "zero_point": -128}, 0.0, "its beta 0"),
    ],
)
def test_softmax(models: Models, output: dict[str, Any], beta: float, part: str) -> None:
    x = models.convolution(models.input())
    y = models.writer.tensor((1, 6, 5, 3), **output)
    models.writer.operator("SOFTMAX", [x], [y], "SoftmaxOptions", Beta=beta)
    refused(models.writer.save(), part)


def test_layer_behind_a_host_step(models: Models) -> None:
    writer = models.writer
    x = models.convolution(models.input())
    soft = writer.tensor((1, 6, 5, 3), scale=1 / 256, zero_point=-128, name="soft")
    writer.operator("SOFTMAX", [x], [soft], "SoftmaxOptions", Beta=1.0)
    y = writer.tensor((1, 6, 5, 3), scale=0.1)
    writer.operator("RELU", [soft], [y])
    refused(writer.save(), "its input is the result of 1:soft, which the host computes")


def test_tensor_made_twice(models: Models) -> None:
    x = models.input()
    y = models.convolution(x)
    models.writer.operator("RELU", [x], [y])
    refused(models.writer.save(), "made by another operator too")


# Files that are no models


def test_other_identifier_and_schema(models: Models) -> None:
    models.convolution(models.input())
    with pytest.raises(UserError, match="is not a TensorFlow Lite file: its identifier is not TFL3"):
        load_tflite(models.writer.save(identifier=b"ABCD"))
    with pytest.raises(UserError, match="has version 2 of the TensorFlow Lite schema; only version 3 is supported"):
        load_tflite(models.writer.save(version=2))


@pytest.mark.parametrize("content", [b"", b"TFL3", bytes(8), b"\x1c\0\0\0TFL3", bytes(range(256)) * 9])
def test_junk(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.tflite"
    path.write_bytes(content)
    with pytest.raises(UserError, match="TensorFlow Lite file"):
        import_model(path)


@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_end_in_one_sentence(models: Models, seed: int) -> None:
    """Cut off, or with wrong bytes and words anywhere: a graph or a UserError, nothing else, and soon."""
    writer = models.writer
    x = models.convolution(models.input(), weight_scale=[0.01, 0.02, 0.03])
    y = writer.tensor((1, 3, 2, 3), scale=0.1, zero_point=-4)
    pool = {"StrideH": 2, "StrideW": 2, "FilterHeight": 2, "FilterWidth": 2, "Padding": VALID}
    writer.operator("MAX_POOL_2D", [x], [y], "Pool2DOptions", **pool)
    flat = writer.tensor((1, 18), scale=0.1, zero_point=-4)
    writer.operator("RESHAPE", [y, writer.constant(np.array([1, 18], np.int32))], [flat], "ReshapeOptions", NewShape=[1, 18])
    scaled = writer.tensor((1, 18), scale=0.2, zero_point=4)
    writer.operator("ADD", [flat, writer.constant(np.ones(1, np.int8), 0.1)], [scaled], "AddOptions")
    soft = writer.tensor((1, 18), scale=1 / 256, zero_point=-128)
    writer.operator("SOFTMAX", [scaled], [soft], "SoftmaxOptions", Beta=1.0)
    path = writer.save()
    whole = path.read_bytes()
    import_tflite(path)
    dice = random.Random(seed)
    for _ in range(150):
        content = bytearray(whole)
        if dice.random() < 0.25:
            content = content[: dice.randrange(len(content))]
        for _ in range(dice.randrange(1, 4)):
            if len(content) > 12:
                at = dice.randrange(8, len(content) - 4)
                words = [0, 1, 8, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, len(content), dice.randrange(1 << 32)]
                content[at : at + 4] = dice.choice(words).to_bytes(4, "little")
        path.write_bytes(content)
        try:
            import_tflite(path)
        except UserError as error:
            assert str(error)
