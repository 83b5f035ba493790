"""What the importer makes of a model's structure, and every refusal with its message."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from macaw.compiler.graph import Convolution
from macaw.compiler.onnx_import import import_onnx
from macaw.compiler.problem import ModelError
from macaw.hw.errors import UserError

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits_int8.onnx"
ZERO = np.int8(0)


def weights(*shape: int) -> Any:
    return np.random.default_rng(0).integers(-64, 65, shape).astype(np.int8)


def refused(writer: Any, y: str, *patterns: str, shape: Any = (1, 4, 8, 8), **options: Any) -> ModelError:
    """The model that ends with ``y`` is refused with one problem for each pattern."""
    with pytest.raises(ModelError) as info:
        writer.load(list(shape), y, **options)
    lines = str(info.value).splitlines()
    assert len(lines) == len(patterns), lines
    for line, pattern in zip(lines, patterns, strict=True):
        assert pattern in line
    return info.value


def quantized(writer: Any) -> str:
    return str(writer.requantize("x", 0.05, ZERO))


# Files


def test_file_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no ONNX file"):
        import_onnx(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"not a model at all", bytes(range(256)) * 40])
def test_file_that_is_not_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not an ONNX (file|model)"):
        import_onnx(path)


def test_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(DIGITS.read_bytes()[:5000])
    with pytest.raises(UserError, match="not an ONNX file|not an ONNX model|not a valid ONNX model"):
        import_onnx(path)


def test_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(2**31 + 1)
    with pytest.raises(UserError, match="more than 2 GiB"):
        import_onnx(path)


def with_external_weights(writer: Any, location: str) -> Path:
    w = writer.weights(weights(4, 4, 1, 1), 0.01)
    path: Path = writer.save([1, 4, 8, 8], writer.requantize(writer.node("Conv", quantized(writer), w), 0.1, ZERO))
    for tensor in writer.model.graph.initializer:
        if tuple(tensor.dims) == (4, 4, 1, 1):
            (path.parent / "weights.bin").write_bytes(tensor.raw_data)
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=location)
    path.write_bytes(writer.model.SerializeToString())
    return path


def test_external_data_beside_the_model(writer: Any) -> None:
    graph = import_onnx(with_external_weights(writer, "weights.bin"))
    assert isinstance(graph.nodes[0], Convolution)
    np.testing.assert_array_equal(graph.nodes[0].weights[:, 0, 0], weights(4, 4, 1, 1)[:, :, 0, 0])


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "a/../../weights.bin", ""])
def test_external_data_outside_the_folder(writer: Any, location: str) -> None:
    with pytest.raises(UserError, match="outside the model's folder; put the data file beside the model"):
        import_onnx(with_external_weights(writer, location))


def test_external_data_through_a_link(writer: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = with_external_weights(writer, "link.bin")
    target = tmp_path_factory.mktemp("elsewhere") / "weights.bin"
    target.write_bytes(bytes(16))
    (path.parent / "link.bin").symlink_to(target)
    with pytest.raises(UserError, match="outside the model's folder"):
        import_onnx(path)


def test_external_data_that_is_absent_or_short(writer: Any) -> None:
    path = with_external_weights(writer, "weights.bin")
    (path.parent / "weights.bin").write_bytes(b"\0")
    with pytest.raises(UserError, match="cannot be read|raw_data size"):
        import_onnx(path)
    (path.parent / "weights.bin").unlink()
    with pytest.raises(UserError, match="no such file beside the model"):
        import_onnx(path)


def test_damaged_models_never_raise_anything_but_user_errors(tmp_path: Path) -> None:
    """Bytes and attributes of a good model changed at random: it imports or is refused in words."""
    generator = random.Random(1)
    good, path = DIGITS.read_bytes(), tmp_path / "model.onnx"
    refusals = 0
    for trial in range(300):
        if trial % 2:
            content = bytearray(good)
            for _ in range(4):
                content[generator.randrange(len(content))] = generator.randrange(256)
            path.write_bytes(content)
        else:
            model = onnx.load_model_from_string(good)
            node = generator.choice(model.graph.node)
            names = [entry.name for entry in model.graph.initializer] + [
                name for n in model.graph.node for name in n.output
            ]
            if trial % 4:
                node.input[generator.randrange(len(node.input))] = generator.choice(names)
            else:
                node.op_type = generator.choice([n.op_type for n in model.graph.node] + ["Relu", "Add", "Softmax"])
            path.write_bytes(model.SerializeToString())
        try:
            import_onnx(path)
        except UserError:
            refusals += 1
    assert 50 < refusals < 300


# Whole models


def test_float_model_is_told_how_to_quantize(writer: Any) -> None:
    y = writer.node("Conv", "x", writer.constant(weights(4, 4, 3, 3).astype(np.float32)))
    refused(
        writer,
        writer.node("Relu", y),
        "quantize it with onnxruntime.quantization.quantize_static(quant_format=QuantFormat.QDQ",
    )


def test_every_problem_is_listed_at_once(writer: Any) -> None:
    x = quantized(writer)
    y = writer.requantize(writer.node("HardSigmoid", x, name="gate"), 0.05, ZERO)
    y = writer.requantize(writer.node("Mul", y, x, name="join"), 0.05, ZERO)
    y = writer.requantize(writer.node("MaxPool", y, kernel_shape=[2, 2], name="pool"), 0.07, ZERO)
    kernel = writer.weights(weights(4, 4, 2, 2), 0.01)
    y = writer.requantize(writer.node("ConvTranspose", y, kernel, name="up"), 0.05, ZERO)
    y = writer.requantize(
        writer.node("Conv", y, writer.constant(np.ones((4, 4, 1, 1), np.float32)), name="last"), 0.1, ZERO
    )
    error = refused(
        writer,
        y,
        "node 'gate' (HardSigmoid, 1x4x8x8 -> 1x4x8x8): this activation function is not supported; use Relu or Clip",
        "node 'join' (Mul, 1x4x8x8 -> 1x4x8x8): it multiplies two maps; ",
        "(QuantizeLinear, 1x4x7x7 -> 1x4x7x7): it changes the quantization of an existing map from scale 0.05",
        "node 'up' (ConvTranspose, 1x4x7x7 -> 1x4x8x8): transposed convolution is not supported yet; ",
        "node 'last' (Conv, 1x4x8x8 -> 1x4x8x8): its weights are not quantized constants; ",
    )
    assert [problem.operator for problem in error.problems] == [
        "HardSigmoid",
        "Mul",
        "QuantizeLinear",
        "ConvTranspose",
        "Conv",
    ]


def test_several_inputs(writer: Any) -> None:
    y = writer.requantize(writer.node("Add", quantized(writer), "x1"), 0.1, ZERO)
    refused(writer, y, "it has 2 inputs (x, x1), exactly one is supported", inputs=2)


def test_several_outputs(writer: Any) -> None:
    writer.save([1, 4, 8, 8], quantized(writer))
    info = helper.make_tensor_value_info("QuantizeLinear_0_out", TensorProto.INT8, [1, 4, 8, 8])
    writer.model.graph.output.append(info)
    path = writer.folder / "two.onnx"
    onnx.save(writer.model, path)
    with pytest.raises(ModelError, match="it has 2 outputs .* exactly one is supported"):
        import_onnx(path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([1, 4, "height", 8], "dynamic shape 1x4x?x8; give every extent but the batch a number"),
        ([2, 4, 8, 8], "its first extent must be a batch of 1"),
        ([8], "its first extent must be a batch of 1"),
    ],
)
def test_input_shapes(writer: Any, shape: Any, message: str) -> None:
    refused(writer, quantized(writer), message, shape=shape)


def test_symbolic_batch_is_one(writer: Any) -> None:
    w = writer.weights(weights(5, 4, 3, 3), 0.01)
    graph = writer.load(["N", 4, 8, 8], writer.requantize(writer.node("Conv", quantized(writer), w), 0.1, ZERO))
    assert graph.input_shape == (1, 4, 8, 8)
    assert graph.output_shape == (1, 5, 6, 6)


def test_float_output_of_a_layer(writer: Any) -> None:
    y = writer.node("Conv", quantized(writer), writer.weights(weights(5, 4, 3, 3), 0.01))
    refused(writer, y, "computed in float32 from the sums of the last layer; quantize the output")


# Layers


CONVOLUTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "kernel shape": ({"kernel_shape": [2, 2]}, "kernel_shape (2, 2) is not that of its weights, (3, 3)"),
    "padding": ({"pads": [3, 0, 0, 0]}, "the padding is as large as the kernel"),
    "negative padding": ({"pads": [-1, 0, 0, 0]}, "padding must not be negative"),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution_attributes(writer: Any, case: str) -> None:
    attributes, message = CONVOLUTIONS[case]
    y = writer.node("Conv", quantized(writer), writer.weights(weights(5, 4, 3, 3), 0.01), **attributes)
    with pytest.raises(UserError) as info:  # shape inference may find it first
        writer.load([1, 4, 8, 8], writer.requantize(y, 0.1, ZERO), output_shape=[1, 5, 6, 6])
    assert message in str(info.value) or "contradict each other" in str(info.value)


def test_three_dimensional_convolution(writer: Any) -> None:
    y = writer.node("Conv", quantized(writer), writer.weights(weights(5, 4, 3, 3, 3), 0.01))
    message = "its weights have 5 dimensions; only one- and two-dimensional convolutions"
    refused(writer, writer.requantize(y, 0.1, ZERO), message, shape=(1, 4, 8, 8, 8))


def test_asymmetric_weights(writer: Any) -> None:
    array = np.random.default_rng(1).integers(0, 256, (5, 4, 3, 3)).astype(np.uint8)
    y = writer.node("Conv", quantized(writer), writer.weights(array, 0.01, zero_point=7))
    refused(
        writer,
        writer.requantize(y, 0.1, ZERO),
        "its weights minus their zero point reach -6..248, outside int8; quantize weights symmetrically",
    )


def test_sixteen_bit_activations(writer: Any) -> None:
    y = writer.node("Conv", writer.requantize("x", 0.05, np.int16(0)), writer.weights(weights(5, 4, 3, 3), 0.01))
    message = "activations are int16, only integers of 8 and 4 bits are supported; quantize activations to 8 bits"
    refused(writer, writer.requantize(y, 0.1, ZERO), message, opset=21)


def test_activations_quantized_per_channel(writer: Any) -> None:
    scale, zeros = np.full(4, 0.05, np.float32), np.zeros(4, np.int8)
    q = writer.node("QuantizeLinear", "x", writer.constant(scale), writer.constant(zeros), axis=1)
    y = writer.node("Conv", writer.dequantize(q, scale, zeros, axis=1), writer.weights(weights(5, 4, 3, 3), 0.01))
    refused(writer, writer.requantize(y, 0.1, ZERO), "activations must have one scale for the whole tensor")


@pytest.mark.parametrize("scale", [0.0, -0.1, np.nan, np.inf])
def test_scale_that_is_not_positive(writer: Any, scale: float) -> None:
    y = writer.node("Conv", writer.requantize("x", scale, ZERO), writer.weights(weights(5, 4, 3, 3), 0.01))
    refused(writer, writer.requantize(y, 0.1, ZERO), "is not positive; quantize again with more calibration data")


def test_bias_with_another_scale(writer: Any) -> None:
    b = writer.dequantize(writer.constant(np.arange(5, dtype=np.int32)), 0.0007, np.int32(0))
    y = writer.node("Conv", quantized(writer), writer.weights(weights(5, 4, 3, 3), 0.01), b)
    refused(writer, writer.requantize(y, 0.1, ZERO), "the scale of its bias is not x_scale * w_scale")


def test_bias_beyond_int32(writer: Any) -> None:
    b = writer.constant(np.full(5, 1e9, np.float32))
    y = writer.node("Conv", quantized(writer), writer.weights(weights(5, 4, 3, 3), 0.01), b)
    refused(writer, writer.requantize(y, 0.1, ZERO), "its bias does not fit int32")


def test_weights_quantized_along_the_inputs(writer: Any) -> None:
    y = writer.node("Conv", quantized(writer), writer.weights(weights(5, 4, 3, 3), np.full(4, 0.01), axis=1))
    refused(writer, writer.requantize(y, 0.1, ZERO), "one scale for each index of axis 1, not for each output (axis 0)")


def test_unquantized_activations(writer: Any) -> None:
    y = writer.node("Conv", quantized(writer), writer.weights(weights(4, 4, 3, 3), 0.01))
    y = writer.node("Conv", y, writer.weights(weights(4, 4, 3, 3), 0.01), name="second")
    refused(
        writer,
        writer.requantize(y, 0.1, ZERO),
        "node 'second' (Conv, 1x4x6x6 -> 1x4x4x4): its input is not dequantized",
    )


def test_writer_and_reader_disagree_on_the_scale(writer: Any) -> None:
    x = writer.dequantize(writer.quantize("x", 0.05, ZERO), 0.06, ZERO)
    y = writer.node("Conv", x, writer.weights(weights(4, 4, 3, 3), 0.01))
    refused(
        writer,
        writer.requantize(y, 0.1, ZERO),
        "with scale 0.06 and zero point 0, but that was written with 0.05 and 0",
    )


def test_gemm_attributes(writer: Any) -> None:
    y = writer.node("Gemm", quantized(writer), writer.weights(weights(16, 5), 0.01), alpha=0.5)
    refused(writer, writer.requantize(y, 0.1, ZERO), "alpha and beta must be 1", shape=(1, 16))


def test_product_of_two_activations(writer: Any) -> None:
    x = quantized(writer)
    y = writer.requantize(writer.node("MatMul", x, x), 0.1, ZERO)
    refused(writer, y, "it multiplies two activations", shape=(1, 1))


def test_matmul_of_a_map(writer: Any) -> None:
    y = writer.node("MatMul", quantized(writer), writer.weights(weights(8, 5), 0.01))
    refused(writer, writer.requantize(y, 0.1, ZERO), "its input has shape 1x4x8x8, not 1 x values; flatten the map")


def test_layout_change_between_layers(writer: Any) -> None:
    y = writer.node("Conv", quantized(writer), writer.weights(weights(4, 4, 3, 3), 0.01))
    y = writer.requantize(writer.node("Transpose", writer.requantize(y, 0.1, ZERO), perm=[0, 2, 3, 1]), 0.1, ZERO)
    y = writer.node("Conv", y, writer.weights(weights(4, 6, 3, 3), 0.01), name="second")
    refused(
        writer, writer.requantize(y, 0.1, ZERO), "node 'second' (Conv, 1x6x6x4 -> 1x4x4x2): the data must be rearranged"
    )


POOLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "excluded padding": (
        "AveragePool",
        {"pads": [1, 1, 1, 1]},
        "the divisor changes at the border; use count_include_pad=1",
    ),
    "ceil mode": (
        "MaxPool",
        {"ceil_mode": 1, "strides": [3, 3]},
        "ceil_mode=1 adds an incomplete window at the border",
    ),
    "dilation": ("MaxPool", {"dilations": [2, 2]}, "its dilations are not 1"),
}


@pytest.mark.parametrize("case", POOLS)
def test_pool_attributes(writer: Any, case: str) -> None:
    operator, attributes, message = POOLS[case]
    y = writer.node(operator, quantized(writer), kernel_shape=[3, 3], **attributes)
    refused(writer, writer.requantize(y, 0.05, ZERO), message, shape=(1, 4, 10, 10))


def test_relu_that_cannot_join_its_layer(writer: Any) -> None:
    """The map in front of the Relu has a second reader."""
    y = writer.node("Conv", quantized(writer), writer.weights(weights(4, 4, 3, 3), 0.01))
    y = writer.requantize(y, 0.1, ZERO)
    writer.requantize(writer.node("MaxPool", y, kernel_shape=[2, 2]), 0.1, ZERO)
    message = "a Relu or Clip between two quantizations can only join the one layer in front of it"
    refused(writer, writer.requantize(writer.node("Relu", y), 0.1, ZERO), message)


def test_softmax_inside_the_network(writer: Any) -> None:
    y = writer.requantize(writer.node("MatMul", quantized(writer), writer.weights(weights(16, 5), 0.01)), 0.1, ZERO)
    y = writer.requantize(writer.node("Softmax", y), 1 / 256, np.int8(-128))
    y = writer.requantize(writer.node("MatMul", y, writer.weights(weights(5, 5), 0.01)), 0.1, ZERO)
    refused(writer, y, "its input is computed by the host, behind the last layer; keep Softmax", shape=(1, 16))


def test_quantized_softmax_without_dequantization(writer: Any) -> None:
    y = writer.requantize(writer.node("MatMul", quantized(writer), writer.weights(weights(16, 5), 0.01)), 0.1, ZERO)
    y = writer.quantize(writer.node("Softmax", y), 1 / 256, np.int8(-128))
    message = (
        "is a quantized result of softmax, which the host computes in float32; end the model with DequantizeLinear"
    )
    refused(writer, y, message, shape=(1, 16), output_kind=np.int8)


def test_softmax_of_a_map(writer: Any) -> None:
    with pytest.raises(ModelError, match="it works along axis 3 of 1x4x8x8, not on one vector"):
        writer.load([1, 4, 8, 8], writer.node("Softmax", quantized(writer)))


def test_sums_beyond_int32(writer: Any) -> None:
    b = writer.constant(np.full(5, 2**31 - 1, np.int32))
    parameters = [writer.constant(np.float32(0.01)), writer.constant(ZERO)]
    w = writer.constant(weights(5, 4, 3, 3))
    y = writer.node("QLinearConv", writer.quantize("x", 0.01, ZERO), *parameters, w, *parameters, *parameters, b)
    refused(writer, y, "the sums of output channel 0 can exceed int32", output_kind=np.int8)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "LeakyRelu": ({}, "this activation function is not supported; use Relu or Clip (ReLU6) and train again"),
    "HardSigmoid": ({}, "this activation function is not supported; use Relu or Clip (ReLU6) and train again"),
    "Tanh": ({}, "this activation function is not supported; use Relu or Clip (ReLU6) and train again"),
    "Sigmoid": ({}, "its input is computed by the host, behind the last layer; keep Softmax, Sigmoid and ArgMax last"),
    "ReduceMean": ({"axes": [1]}, "it averages over the axes 1; average over all rows and columns of a map"),
    "Pad": (
        {"constants": [np.array([0, 1, 0, 0, 0, 0, 0, 0])]},
        "it pads batch or channels; pad rows and columns only",
    ),
    "Pad edge": ({"constants": [np.array([0, 0, 1, 0, 0, 0, 0, 0])], "mode": "edge"}, "mode=b'edge' is not supported"),
    "Pad value": (
        {"constants": [np.array([0, 0, 1, 0, 0, 0, 0, 0]), np.float32(1)]},
        "it pads with 1, not with the zero point, 0; pad with zeros",
    ),
    "Pad crop": ({"constants": [np.array([0, 0, -1, 0, 0, 0, 0, 0])]}, "it crops, or pads by more than the map"),
    "Pad more": (
        {"constants": [np.array([0, 0, 2, 0, 0, 0, 0, 0])]},
        "the Pad in front of it is as large as the kernel",
    ),
    "Slice": (
        {"constants": [np.array([0]), np.array([2]), np.array([1])]},
        "it takes a part of a map; split the model",
    ),
    "Add": ({"constants": [np.float32(1)]}, "it adds a constant to a map; fold it into the bias of the convolution"),
    "Mul": (
        {"constants": [np.ones((1, 1, 8, 8), np.float32)]},
        "its constant has shape 1x1x8x8, not one number or one for each channel; multiply by one number for each channel",
    ),
    "Mul infinite": ({"constants": [np.float32(np.inf)]}, "its constant is not finite"),
    "BatchNormalization": (
        {"constants": [np.ones(4, np.float32)] * 4},
        "batch normalization is not quantized; fold it into the convolution with quant_pre_process before quantization",
    ),
    "Concat": (
        {"axis": 2, "twice": True},
        "it joins along axis 2, not along the channels (axis 1); concatenate channels",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_operators_between_layers(writer: Any, case: str) -> None:
    attributes, message = REFUSED[case]
    attributes = dict(attributes)
    x = quantized(writer)
    operands = [x] * (2 if attributes.pop("twice", False) else 1)
    operands += [writer.constant(array) for array in attributes.pop("constants", [])]
    y = writer.node(case.split()[0], *operands, **attributes)
    if case.split()[0] != "Pad":
        y = writer.requantize(y, 0.05, ZERO)
    y = writer.node("Conv", y, writer.weights(weights(5, 4, 2, 2), 0.01))
    with pytest.raises(ModelError) as info:
        writer.load([1, 4, 8, 8], writer.requantize(y, 0.1, ZERO))
    assert message in str(info.value)


def test_split(writer: Any) -> None:
    node = helper.make_node("Split", [quantized(writer)], ["a", "b"], name="halves", axis=1)
    writer.nodes.append(node)
    refused(writer, writer.requantize("a", 0.05, ZERO), "node 'halves' (Split, 1x4x8x8 -> 1x2x8x8): it takes a part")


def test_addition_with_broadcasting(writer: Any) -> None:
    x = quantized(writer)
    y = writer.requantize(writer.node("GlobalAveragePool", x), 0.05, ZERO)
    refused(
        writer,
        writer.requantize(writer.node("Add", x, y), 0.05, ZERO),
        "it adds maps of different shapes or layouts, 1x4x8x8 and 1x4x1x1; add maps of one shape, without broadcasting",
    )


def test_addition_of_sums_that_are_not_quantized(writer: Any) -> None:
    x = quantized(writer)
    y = writer.node("Conv", x, writer.weights(weights(4, 4, 1, 1), 0.01))
    refused(
        writer, writer.requantize(writer.node("Add", x, y), 0.1, ZERO), "its input is not dequantized int8 or uint8"
    )


def test_mean_as_the_models_output(writer: Any) -> None:
    y = writer.node("ReduceMean", quantized(writer), axes=[2, 3])
    refused(writer, y, "is computed in float32 from the sums of the last layer; quantize the output")


@pytest.mark.parametrize("last", [False, True])
def test_padding_that_no_convolution_takes_over(writer: Any, last: bool) -> None:
    y = writer.node("Pad", quantized(writer), writer.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])))
    if not last:
        y = writer.requantize(writer.node("MaxPool", y, kernel_shape=[2, 2]), 0.05, ZERO)
    refused(
        writer, y, "its input is padded by a Pad that no convolution can take over; let a convolution read the padded"
    )


# Structure


def test_digits_example() -> None:
    graph = import_onnx(DIGITS)
    assert [node.operator for node in graph.nodes] == ["Conv", "Conv", "MaxPool", "Conv", "Conv", "Gemm"]
    assert graph.tensors[graph.input].shape == (8, 8, 1)
    assert graph.tensors[graph.output].shape == (1, 1, 10)
    assert graph.deviations == []
    assert [step.kind for step in graph.host_steps] == ["dequantize"]
    last = graph.nodes[-1]
    assert isinstance(last, Convolution)
    assert last.weights.shape == (10, 2, 2, 32)


def test_names_are_unique(writer: Any) -> None:
    y = quantized(writer)
    for _ in range(3):
        w = writer.weights(weights(4, 4, 3, 3), 0.01)
        y = writer.requantize(writer.node("Conv", y, w, name="conv"), 0.1, ZERO)
    graph = writer.load([1, 4, 8, 8], y)
    assert len({node.name for node in graph.nodes}) == 3


def test_deviation_of_a_layer_whose_input_is_flattened_after_dequantization(writer: Any) -> None:
    y = writer.node("Gemm", writer.node("Flatten", quantized(writer)), writer.weights(weights(256, 5), 0.01))
    graph = writer.load([1, 4, 8, 8], writer.requantize(y, 0.1, ZERO))
    assert "reshaped or pooled after DequantizeLinear" in graph.deviations[0].reason


def test_deviation_of_an_int8_output(writer: Any) -> None:
    y = writer.node("Conv", quantized(writer), writer.weights(weights(4, 4, 3, 3), 0.01))
    graph = writer.load([1, 4, 8, 8], writer.quantize(y, 0.1, ZERO), output_kind=np.int8)
    assert "session.qdqisint8allowed=1" in graph.deviations[0].reason
    assert graph.host_steps == []
