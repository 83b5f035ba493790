"""Damaged and absurd ONNX files: they import or are refused in words, quickly and in little memory. Fixed seeds."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from macaw.compiler.onnx_import import import_onnx
from macaw.sim.hostile_input import little_memory, refusal

SECONDS = 8.0
"""That one import may take on a busy machine."""

MEBIBYTES = 1500
"""By which the peak of the memory may grow in a test."""


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with little_memory(MEBIBYTES):
        yield


def outcome(path: Path, content: bytes) -> str:
    """The refusal of a file, or "" if it imports. Everything but UserError fails the test."""
    path.write_bytes(content)
    return refusal(lambda: import_onnx(path), SECONDS)


def residual(writer: Any) -> bytes:
    """A QDQ model with most operators."""
    generator = np.random.default_rng(0)

    def weights(*shape: int) -> str:
        scale = generator.uniform(0.01, 0.02, shape[0])
        return str(writer.weights(generator.integers(-64, 65, shape).astype(np.int8), scale))

    x = writer.requantize("x", 0.04, np.uint8(128))
    padded = writer.node("Pad", x, writer.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])))
    a = writer.requantize(writer.node("Relu", writer.node("Conv", padded, weights(4, 4, 3, 3))), 0.03, np.uint8(0))
    x = writer.requantize(writer.node("Add", a, x), 0.05, np.uint8(100))
    m = writer.requantize(writer.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), 0.05, np.uint8(100))
    v = writer.requantize(writer.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), 0.04, np.uint8(100))
    x = writer.requantize(writer.node("Concat", m, v, axis=1), 0.05, np.uint8(100))
    factors = np.arange(1, 9, dtype=np.uint8).reshape(1, 8, 1, 1)
    x = writer.requantize(writer.node("Mul", x, writer.weights(factors, 0.2)), 0.06, np.uint8(90))
    clip = writer.node("Clip", x, writer.constant(np.float32(-1)), writer.constant(np.float32(6)))
    x = writer.requantize(clip, 0.06, np.uint8(90))
    x = writer.requantize(writer.node("ReduceMean", x, axes=[2, 3], keepdims=1), 0.05, np.uint8(90))
    x = writer.requantize(writer.node("Flatten", x), 0.05, np.uint8(90))
    y = writer.node("Gemm", x, writer.weights(generator.integers(-64, 65, (8, 5)).astype(np.int8), 0.01))
    y = writer.requantize(writer.node("Softmax", writer.requantize(y, 0.05, np.uint8(90))), 1 / 256, np.uint8(0))
    return Path(writer.save([1, 4, 8, 8], y)).read_bytes()


def linear(writer: Any) -> bytes:
    """A QLinear model with operators of the com.microsoft domain, whose attributes no checker sees."""
    generator = np.random.default_rng(1)
    microsoft = {"domain": "com.microsoft"}

    def q(scale: float, zero_point: int) -> tuple[str, str]:
        return writer.constant(np.float32(scale)), writer.constant(np.uint8(zero_point))

    first, second = q(0.04, 128), q(0.05, 100)
    w = writer.constant(generator.integers(-64, 65, (4, 4, 3, 3)).astype(np.int8))
    w_scale = (writer.constant(np.full(4, 0.01, np.float32)), writer.constant(np.zeros(4, np.int8)))
    x = writer.node("QuantizeLinear", "x", *first)
    c = writer.node("QLinearConv", x, *first, w, *w_scale, *second, pads=[1, 1, 1, 1])
    s = writer.node("QLinearAdd", c, *second, x, *first, *second, **microsoft)
    c = writer.node("QLinearConcat", *second, s, *second, x, *first, axis=1, **microsoft)
    p = writer.node("QLinearAveragePool", c, *second, *first, kernel_shape=[2, 2], **microsoft)
    p = writer.node("QLinearGlobalAveragePool", p, *first, *second, channels_last=0, **microsoft)
    f = writer.node("Flatten", p)
    m = writer.node(
        "QLinearMul", f, *second, writer.constant(np.arange(8, dtype=np.uint8)[None]), *first, *first, **microsoft
    )
    matrix = writer.constant(generator.integers(-64, 65, (5, 8)).astype(np.int8))
    g = (writer.constant(np.float32(0.01)), writer.constant(np.int8(0)))
    bias = writer.constant(np.arange(5, dtype=np.int32))
    y = writer.node("QGemm", m, *first, matrix, *g, bias, *second, transB=1, alpha=1.0, **microsoft)
    y = writer.node("QLinearSoftmax", y, *second, *q(1 / 256, 0), axis=-1, opset=17, **microsoft)
    y = writer.dequantize(y, 1 / 256, np.uint8(0))
    return Path(writer.save([1, 4, 8, 8], y, output_shape=[1, 5])).read_bytes()


def few_bits(writer: Any) -> bytes:
    """A QONNX model with most operators, whose quantizers no checker knows."""
    generator = np.random.default_rng(4)
    domain = {"domain": "qonnx.custom_op.general"}

    def real(*shape: int) -> str:
        return str(writer.constant(generator.normal(size=shape).astype(np.float32)))

    def quant(x: str, scale: float, bits: int, **attributes: int) -> str:
        constants = [writer.constant(np.float32(value)) for value in (scale, 0, bits)]
        attributes = {"signed": 1, "narrow": 1, **attributes}
        return str(writer.node("Quant", x, *constants, rounding_mode="ROUND", **attributes, **domain))

    def bipolar(x: str) -> str:
        return str(writer.node("BipolarQuant", x, writer.constant(np.float32(1)), **domain))

    x = quant(writer.node("Sub", writer.node("Mul", "x", real(1)), real(1)), 0.1, 8)
    x = writer.node("Conv", x, quant(real(6, 4, 3, 3), 0.3, 3), real(6), pads=[1, 1, 1, 1])
    x = writer.node("BatchNormalization", x, real(6), real(6), real(6), writer.constant(np.ones(6, np.float32)))
    x = writer.node("MaxPool", quant(writer.node("Relu", x), 0.37, 3, signed=0), kernel_shape=[2, 2], strides=[2, 2])
    x = writer.node("Conv", x, bipolar(real(5, 6, 2, 2)), strides=[2, 2])
    thresholds = writer.constant(np.sort(generator.normal(size=(5, 2)), axis=1).astype(np.float32))
    x = writer.node("MultiThreshold", x, thresholds, out_bias=-1.0, out_scale=1.0, out_dtype="INT2", **domain)
    x = writer.node("Flatten", x)
    x = bipolar(writer.node("Add", writer.node("MatMul", x, bipolar(real(20, 7))), real(1, 7)))
    weights = writer.node("Transpose", quant(real(3, 7), 0.2, 2), perm=[1, 0])
    x = writer.node("Div", writer.node("MatMul", x, weights), writer.node("Pow", real(1), real(1)))
    y = writer.node("Softmax", x, axis=1)
    path = Path(writer.save([1, 4, 8, 8], y, output_shape=[1, 3]))
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("qonnx.custom_op.general", 1))
    for tensor in model.graph.initializer:
        if tensor.dims == [1]:  # a power of what is negative is no number
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.array([1.5], np.float32), tensor.name))
    return model.SerializeToString()


MODELS = {"residual": residual, "linear": linear, "few bits": few_bits}


@pytest.mark.parametrize("model", MODELS)
def test_bytes(writer: Any, tmp_path: Path, model: str) -> None:
    """Truncated anywhere, bytes changed, inserted, removed."""
    good, generator = MODELS[model](writer), random.Random(2)
    path = tmp_path / "fuzz.onnx"
    assert outcome(path, good) == ""
    refused = 0
    for trial in range(150):
        content = bytearray(good)
        if trial % 5 == 0:
            del content[generator.randrange(len(content)) :]
        for _ in range(generator.randrange(1, 5)):
            place = generator.randrange(len(content) + 1)
            action = generator.randrange(3)
            if action == 0 and place < len(content):
                content[place] = generator.choice((0, 1, 127, 128, 255, generator.randrange(256)))
            elif action == 1:
                content[place:place] = generator.randbytes(generator.randrange(1, 9))
            else:
                del content[place : place + generator.randrange(1, 9)]
        refused += outcome(path, bytes(content)) != ""
    assert refused > 75


INTEGERS = (-(2**63), -(2**31), -1, 0, 1, 2, 7, 1000, 2**31, 2**62)
FLOATS = (0.0, -1.0, 1e-45, 1e38, float("nan"), float("inf"))


def _change_attribute(generator: random.Random, node: onnx.NodeProto) -> None:
    attribute = generator.choice(node.attribute)
    name = attribute.name
    value: Any = generator.choice(
        (
            generator.choice(INTEGERS),
            generator.choice(FLOATS),
            "text",
            [generator.choice(INTEGERS) for _ in range(generator.randrange(1, 9))],
            [generator.choice(FLOATS)],
        )
    )
    node.attribute.remove(attribute)
    node.attribute.append(helper.make_attribute(name, value))


def _change_constant(generator: random.Random, tensor: onnx.TensorProto) -> None:
    array = onnx.numpy_helper.to_array(tensor)
    kind: Any = generator.choice((np.float32, np.float64, np.int8, np.uint8, np.int32, np.int64, np.float16, np.bool_))
    shape: tuple[int, ...] = generator.choice(((), (0,), (1,), (3,), (1, 1), (4, 1, 1), array.shape, (*array.shape, 1)))
    value: Any = generator.choice((0, 1, 3, 100))
    if np.issubdtype(kind, np.floating):
        value = generator.choice(FLOATS)
    with np.errstate(over="ignore"):
        replaced = np.full(shape, value).astype(kind) if generator.random() < 0.6 else array.astype(kind)
    tensor.CopyFrom(onnx.numpy_helper.from_array(replaced, tensor.name))


def _change(generator: random.Random, model: onnx.ModelProto) -> None:
    graph = model.graph
    node = generator.choice(graph.node)
    names = (
        [entry.name for entry in graph.initializer] + [name for other in graph.node for name in other.output] + ["x"]
    )
    action = generator.randrange(8)
    if action == 0:
        other = generator.choice(graph.node)
        node.op_type, node.domain = other.op_type, other.domain
    elif action == 1 and node.input:
        node.input[generator.randrange(len(node.input))] = generator.choice((*names, ""))
    elif action == 2 and node.input:
        del node.input[generator.randrange(len(node.input)) :]
    elif action == 3:
        node.input.extend(generator.choices(names, k=generator.randrange(1, 4)))
    elif action == 4 and node.attribute:
        _change_attribute(generator, node)
    elif action == 5:
        _change_constant(generator, generator.choice(graph.initializer))
    elif action == 6:
        extent = generator.choice(graph.input[0].type.tensor_type.shape.dim)
        extent.dim_value = generator.choice(INTEGERS)
    else:
        graph.node.remove(node)


@pytest.mark.parametrize("model", MODELS)
def test_structure(writer: Any, tmp_path: Path, model: str) -> None:
    """Operators, operands, attributes, constants, extents exchanged; nodes removed. Shapes that were stored may lie."""
    good, generator = onnx.load_model_from_string(MODELS[model](writer)), random.Random(3)
    path = tmp_path / "fuzz.onnx"
    messages: set[str] = set()
    refused = 0
    for trial in range(400):
        damaged = onnx.ModelProto()
        damaged.CopyFrom(good)
        if trial % 2:
            del damaged.graph.value_info[:]
        for _ in range(generator.randrange(1, 3)):
            _change(generator, damaged)
        message = outcome(path, damaged.SerializeToString())
        refused += message != ""
        messages.update(line.partition(": ")[2] for line in message.splitlines())
    assert refused > 150
    assert len(messages) > 40


def absurd(writer: Any, y: str, shape: list[Any], tmp_path: Path, **options: Any) -> str:
    return outcome(tmp_path / "absurd.onnx", Path(writer.save(shape, y, **options)).read_bytes())


@pytest.mark.parametrize(
    "shape", [[1, 3, 2**20, 2**20], [1, 2**31, 1, 1], [1, 2**62, 2, 2**62], [1, 3, -1, 8], [1, 0, 4, 4]]
)
def test_absurd_inputs(writer: Any, tmp_path: Path, shape: list[int]) -> None:
    y = writer.requantize(writer.node("GlobalAveragePool", writer.requantize("x", 0.05, np.int8(0))), 0.05, np.int8(0))
    assert absurd(writer, y, shape, tmp_path, output_shape=[1, shape[1], 1, 1]) != ""


WINDOWS: dict[str, tuple[str, dict[str, Any]]] = {
    "pool": ("AveragePool", {"kernel_shape": [2**30, 2**30], "pads": [2**30 - 1] * 4, "count_include_pad": 1}),
    "maximum": ("MaxPool", {"kernel_shape": [2**31, 1], "pads": [2**31 - 1, 0, 2**31 - 1, 0]}),
    "stride": ("MaxPool", {"kernel_shape": [1, 1], "strides": [2**62, 2**62], "auto_pad": "SAME_UPPER"}),
    "dilation": ("MaxPool", {"kernel_shape": [3, 3], "dilations": [2**62, 2**62]}),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_absurd_windows(writer: Any, tmp_path: Path, case: str) -> None:
    operator, attributes = WINDOWS[case]
    y = writer.node(operator, writer.requantize("x", 0.05, np.int8(0)), **attributes)
    message = absurd(writer, writer.requantize(y, 0.05, np.int8(0)), [1, 4, 8, 8], tmp_path, output_shape=[1, 4, 8, 8])
    assert bool(message) == (case != "stride")


def test_output_of_a_million_channels_for_each_pixel(writer: Any, tmp_path: Path) -> None:
    w = writer.weights(np.ones((2**20, 1, 1, 1), np.int8), 0.01)
    y = writer.requantize(writer.node("Conv", writer.requantize("x", 0.05, np.int8(0)), w), 0.1, np.int8(0))
    message = absurd(writer, y, [1, 1, 512, 512], tmp_path)
    assert f"its output has {2**38} elements; use maps of at most" in message


@pytest.mark.parametrize("pads", [[0, 0, 2**21, 0, 0, 0, 0, 0], [0, 0, 7, 2**62, 0, 0, 7, 7], [0] * 7, [2**63 - 1] * 8])
def test_absurd_padding(writer: Any, tmp_path: Path, pads: list[int]) -> None:
    y = writer.node("Pad", writer.requantize("x", 0.05, np.int8(0)), writer.constant(np.array(pads, np.int64)))
    y = writer.requantize(writer.node("MaxPool", y, kernel_shape=[1, 1]), 0.05, np.int8(0))
    assert absurd(writer, y, [1, 1, 1, 2**22], tmp_path, output_shape=[1, 1, 1, 1]) != ""


def test_initializer_that_claims_more_than_it_holds(writer: Any, tmp_path: Path) -> None:
    model = onnx.load_model_from_string(residual(writer))
    for dims in ([2**40], [2**31, 2**31], [0, 2**62], [-1]):
        damaged = onnx.ModelProto()
        damaged.CopyFrom(model)
        tensor = next(entry for entry in damaged.graph.initializer if len(entry.dims) == 4)
        tensor.dims[:] = dims
        assert outcome(tmp_path / "claims.onnx", damaged.SerializeToString()) != ""


def test_cyclic_graph(writer: Any, tmp_path: Path) -> None:
    model = onnx.load_model_from_string(residual(writer))
    nodes = {node.op_type: node for node in model.graph.node}
    nodes["Pad"].input[0] = nodes["Add"].output[0]
    assert "is not a valid ONNX model" in outcome(tmp_path / "cycle.onnx", model.SerializeToString())


def test_long_chain(writer: Any, tmp_path: Path) -> None:
    """Ten thousand nodes in a row, each quantized: linear time."""
    x = writer.requantize("x", 0.05, np.int8(0))
    for _ in range(2500):
        x = writer.requantize(writer.node("Identity", x), 0.05, np.int8(0))
    path = writer.save([1, 4], x, output_shape=[1, 4])
    begin = time.perf_counter()
    graph = import_onnx(path)
    assert time.perf_counter() - begin < 2 * SECONDS
    assert graph.nodes == []


@pytest.mark.parametrize("depth", [20, 90, 3000])
def test_graphs_in_graphs(writer: Any, tmp_path: Path, depth: int) -> None:
    """An operator whose attribute is a graph with an operator whose attribute is a graph, and so on."""

    def field(number: int, content: bytes) -> bytes:
        size, rest = b"", len(content)
        while rest > 127:
            size, rest = size + bytes([rest & 127 | 128]), rest >> 7
        return bytes([number << 3 | 2]) + size + bytes([rest]) + content

    good = residual(writer)
    graph = field(2, b"inner")
    for _ in range(depth):
        attribute = field(1, b"then_branch") + field(6, graph) + b"\xa0\x01\x05"
        graph = field(1, field(1, b"x") + field(2, b"y") + field(4, b"If") + field(5, attribute)) + field(2, b"inner")
    assert outcome(tmp_path / "nested.onnx", good + field(7, graph)) != ""


@pytest.mark.parametrize("location", ["/dev/zero", "../fuzz.bin", "..", ".", "a\0b", "/proc/self/mem", "x" * 5000])
def test_external_data_elsewhere(writer: Any, tmp_path: Path, location: str) -> None:
    model = onnx.load_model_from_string(residual(writer))
    tensor = model.graph.initializer[-1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    assert outcome(tmp_path / "external.onnx", model.SerializeToString()) != ""


@pytest.mark.parametrize(("offset", "length"), [("-1", "4"), ("0", str(2**62)), (str(2**62), "1"), ("x", "y")])
def test_external_data_with_a_bad_range(writer: Any, tmp_path: Path, offset: str, length: str) -> None:
    model = onnx.load_model_from_string(residual(writer))
    tensor = model.graph.initializer[-1]
    (tmp_path / "data.bin").write_bytes(bytes(64))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "data.bin"), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    assert outcome(tmp_path / "external.onnx", model.SerializeToString()) != ""
