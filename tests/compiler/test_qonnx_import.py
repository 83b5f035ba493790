"""QONNX models: what the importer makes of them, every refusal with its message, and thresholds against the float operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from macaw.compiler.graph import Concat, Convolution, Graph, MaxPool
from macaw.compiler.onnx_import import import_onnx
from macaw.compiler.problem import ModelError
from macaw.compiler.requantization import BytePlanes, ThresholdRequantization
from macaw.compiler.requantize import deviations, requantize, required_accumulator_width
from macaw.compiler.requantizer_parameters import requantizer_parameters
from macaw.hw.config import EngineConfig
from macaw.sim.golden_network import GoldenNetwork, model_output, quantize_input
from macaw.sim.qonnx_reference import QonnxReference

QONNX = "qonnx.custom_op.general"


class Writer:
    """Nodes of QONNX on the fixture of this folder's conftest."""

    def __init__(self, base: Any) -> None:
        self.base = base
        self.random = np.random.default_rng(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    def quant(
        self, x: str, scale: Any = 1.0, bits: Any = 8, zero: Any = 0.0, domain: str = QONNX, **attributes: Any
    ) -> str:
        attributes = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND", **attributes}
        constants = [self.constant(np.asarray(value, np.float32)) for value in (scale, zero, bits)]
        return str(self.node("Quant", x, *constants, domain=domain, **attributes))

    def bipolar(self, x: str, scale: Any = 1.0, domain: str = QONNX) -> str:
        return str(self.node("BipolarQuant", x, self.constant(np.asarray(scale, np.float32)), domain=domain))

    def real(self, *shape: int, spread: float = 1.0) -> str:
        return str(self.constant((self.random.normal(size=shape) * spread).astype(np.float32)))

    def signs(self, *shape: int, scale: float = 1.0) -> str:
        return self.bipolar(self.real(*shape), scale)

    def batch_normalization(self, x: str, channels: int, spread: float = 10.0, negative: bool = True) -> str:
        scale = self.random.normal(size=channels).astype(np.float32)
        scale = scale if negative else np.abs(scale)
        arrays = (
            scale,
            self.random.normal(size=channels).astype(np.float32),
            (self.random.normal(size=channels) * spread).astype(np.float32),
            (self.random.random(channels) * spread * spread + 0.5).astype(np.float32),
        )
        return str(self.node("BatchNormalization", x, *map(self.constant, arrays)))

    def path(self, shape: tuple[int, ...], output: str) -> Path:
        rank = 2 if any(node.op_type == "Flatten" for node in self.nodes) else len(shape)
        graph = helper.make_graph(
            self.nodes,
            "test",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, [None] * rank)],
            self.constants,
        )
        imports = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1)]
        self.proto = helper.make_model(graph, opset_imports=imports, ir_version=8)
        return self.write()

    def write(self) -> Path:
        path: Path = self.folder / "model.onnx"
        onnx.save(self.proto, path)
        return path

    def load(self, shape: tuple[int, ...], output: str) -> Graph:
        return import_onnx(self.path(shape, output))


def annotate(proto: onnx.ModelProto, tensor: str, datatype: str) -> None:
    annotation = proto.graph.quantization_annotation.add()
    annotation.tensor_name = tensor
    entry = annotation.quant_parameter_tensor_names.add()
    entry.key, entry.value = "finn_datatype", datatype


@pytest.fixture
def qonnx(writer: Any) -> Writer:
    return Writer(writer)


def golden(graph: Graph) -> GoldenNetwork:
    config = EngineConfig(
        p=1,
        m=1,
        n=1,
        accumulator_width=max(12, required_accumulator_width(graph)),
        wrapping=True,
        **asdict(requantizer_parameters(graph)),
    )
    certified = requantize(graph, config)
    assert all(rule.exact for rule in certified.values())
    assert deviations(graph, certified) == graph.deviations
    return GoldenNetwork(graph, certified)


def equals_reference(path: Path, inputs: NDArray[np.float32], *, exact: bool = True) -> Graph:
    """The golden network equals the model, operator by operator, on every map that both have and on the output."""
    graph = import_onnx(path)
    reference = QonnxReference(path, graph)
    maps = golden(graph).run(quantize_input(graph, inputs))
    compared = 0
    for name, values in maps.items():
        wanted = reference.map(name, inputs)
        if wanted is not None:
            np.testing.assert_array_equal(values, wanted, err_msg=name)
            compared += 1
    assert compared
    found, wanted_output = model_output(graph, maps[graph.output]), reference.outputs(inputs)
    if exact:
        np.testing.assert_array_equal(found, wanted_output)
    else:
        np.testing.assert_allclose(found, wanted_output, rtol=1e-5, atol=1e-5)
    return graph


def refused(qonnx: Writer, output: str, *patterns: str, shape: tuple[int, ...] = (1, 12)) -> None:
    """The model that ends with ``output`` is refused with one problem for each pattern."""
    with pytest.raises(ModelError) as info:
        qonnx.load(shape, output)
    lines = str(info.value).splitlines()
    assert len(lines) == len(patterns), lines
    for line, pattern in zip(lines, patterns, strict=True):
        assert pattern in line, line


def inputs(*shape: int, spread: float = 4.0, seed: int = 1) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).normal(size=shape) * spread).astype(np.float32)


# Thresholds


@pytest.mark.parametrize("offset", [0.0, 0.5, 3.0])
def test_sign_behind_batch_normalization_on_every_sum(qonnx: Writer, offset: float) -> None:
    """All sums of 12 signs, for channels whose factor is positive, negative, zero or tiny, and whose threshold is a sum itself."""
    channels = 9
    scale = np.array([1, -1, 2, -3, 0, 1e-30, -1e-30, 0.1, -0.3], np.float32)
    mean = np.array([0, 0, 2, 4, 1, 0, 0, 6, -2], np.float32) + np.float32(offset)
    arrays = (scale, np.zeros(channels, np.float32), mean, np.full(channels, 7, np.float32))
    sums = qonnx.node("MatMul", qonnx.bipolar("x"), qonnx.bipolar(qonnx.constant(np.ones((12, channels), np.float32))))
    normal = qonnx.node("BatchNormalization", sums, *map(qonnx.constant, arrays))
    path = qonnx.path((1, 12), qonnx.bipolar(normal))
    every = np.where(np.arange(12) < np.arange(13)[:, None], 1.0, -1.0).astype(np.float32)
    graph = equals_reference(path, every)
    layer = graph.nodes[-1]
    assert isinstance(layer, Convolution)
    assert isinstance(layer.requantization, ThresholdRequantization)
    assert layer.weight_format == graph.tensors[graph.input].format == graph.tensors[graph.output].format == "binary"
    # The comparison's direction is in the weights.
    assert (layer.weights[1] == -1).all()
    assert (layer.weights[0] == 1).all()


@pytest.mark.parametrize("mode", ["ROUND", "CEIL", "FLOOR", "DOWN", "ROUND_TO_ZERO", "HALF_EVEN"])
@pytest.mark.parametrize(
    ("bits", "signed", "narrow"), [(2, 1, 1), (2, 1, 0), (3, 0, 0), (4, 0, 1), (4, 1, 0), (8, 0, 0)]
)
def test_quantizers_of_a_layer(qonnx: Writer, mode: str, bits: int, signed: int, narrow: int) -> None:
    weights = qonnx.quant(qonnx.real(12, 16), 0.25, 3)
    sums = qonnx.node("MatMul", qonnx.quant("x", 0.5, 4), weights)
    sums = qonnx.batch_normalization(sums, 16, spread=3.0)
    first = qonnx.quant(sums, 0.3, bits, signed=signed, narrow=narrow, rounding_mode=mode)
    last = qonnx.node("MatMul", first, qonnx.signs(16, 5))
    path = qonnx.path((1, 12), last)
    if mode in ("DOWN", "ROUND_TO_ZERO") and signed and bits > 2:
        # Zero is twice as wide as the other steps.
        with pytest.raises(ModelError, match="no exact requantization"):
            golden(import_onnx(path))
        return
    graph = equals_reference(path, inputs(60, 12), exact=False)
    rule = graph.nodes[-1]
    assert isinstance(rule, Convolution)
    assert isinstance(rule.requantization, BytePlanes)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("scale", [0.5, 0.25, 1.0])
def test_halves_to_even_become_two_lines(qonnx: Writer, scale: float, relu: bool) -> None:
    """Powers of two everywhere: sums are exact halves, and no single line rounds them to even."""
    sums = qonnx.node("MatMul", qonnx.quant("x", 0.5, 4), qonnx.quant(qonnx.real(12, 8), 0.125, 4))
    sums = qonnx.node("Relu", sums) if relu else sums
    middle = qonnx.quant(sums, scale, 5, signed=int(not relu))
    last = qonnx.quant(qonnx.node("MatMul", middle, qonnx.quant(qonnx.real(8, 5), 0.25, 4)), 0.3, 6)
    path = qonnx.path((1, 12), last)
    graph = equals_reference(path, inputs(300, 12, spread=2.0))
    whole = [node for node in graph.nodes if isinstance(node, Concat)]
    assert len(whole) == 1
    assert graph.tensors[whole[0].output].shape == (1, 1, 16)


def test_the_host_rounds_the_last_halves_to_even(qonnx: Writer) -> None:
    sums = qonnx.node("MatMul", qonnx.quant("x", 0.5, 4), qonnx.quant(qonnx.real(12, 8), 0.125, 4))
    graph = equals_reference(qonnx.path((1, 12), qonnx.quant(sums, 0.5, 5)), inputs(200, 12))
    assert [step.kind for step in graph.host_steps] == ["sums", "quantize"]


def test_halves_between_layers_with_groups_are_refused(qonnx: Writer) -> None:
    value = qonnx.node("Conv", qonnx.quant("x", 0.5, 4), qonnx.quant(qonnx.real(4, 4, 1), 0.125, 4))
    value = qonnx.node("Conv", qonnx.quant(value, 0.5, 5), qonnx.signs(4, 1, 3), group=4)
    graph = qonnx.load((1, 4, 8), qonnx.bipolar(value))
    with pytest.raises(ModelError, match="no exact requantization"):
        golden(graph)


@pytest.mark.parametrize("levels", [1, 2])
def test_thresholds_of_any_distance(qonnx: Writer, levels: int) -> None:
    table = np.sort(qonnx.random.integers(-20, 20, (8, levels)), axis=1) + np.float32(0.5)
    sums = qonnx.node("MatMul", qonnx.quant("x", 1.0, 3), qonnx.signs(12, 8))
    bias, scale = (-1.0, 2.0) if levels == 1 else (-1.0, 1.0)
    attributes = {"out_bias": bias, "out_scale": scale, "out_dtype": "INT2", "data_layout": "NC"}
    quantized = qonnx.node("MultiThreshold", sums, qonnx.constant(table.astype(np.float32)), domain=QONNX, **attributes)
    graph = equals_reference(qonnx.path((1, 12), quantized), inputs(200, 12))
    assert graph.tensors[graph.output].format == ("binary" if levels == 1 else "ternary")


def test_thresholds_without_a_line_are_refused(qonnx: Writer) -> None:
    table = np.tile(np.array([-20, -19, 15], np.float32), (8, 1))
    sums = qonnx.node("MatMul", qonnx.quant("x", 1.0, 3), qonnx.signs(12, 8))
    quantized = qonnx.node("MultiThreshold", sums, qonnx.constant(table), domain=QONNX, out_dtype="UINT2")
    graph = qonnx.load((1, 12), quantized)
    with pytest.raises(ModelError, match="no exact requantization"):
        golden(graph)


# Layers


@pytest.mark.parametrize("before", [False, True])
def test_convolutions_and_max_pools(qonnx: Writer, before: bool) -> None:
    """A max pool behind the quantizer, and in front of it: then of sums."""
    value = qonnx.node("Conv", qonnx.quant("x", 0.5, 8), qonnx.signs(6, 2, 3, 3), pads=[1, 1, 1, 1])
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    if before:
        value = qonnx.batch_normalization(qonnx.node("MaxPool", value, **pool), 6, negative=False)
        value = qonnx.bipolar(value)
    else:
        value = qonnx.node("MaxPool", qonnx.bipolar(qonnx.batch_normalization(value, 6)), **pool)
    value = qonnx.node("Conv", value, qonnx.signs(4, 6, 3, 3), strides=[2, 1])
    value = qonnx.node("Flatten", qonnx.quant(qonnx.node("Add", value, qonnx.real(1, 4, 1, 1)), 2.0, 2, narrow=1))
    matrix = qonnx.node("Transpose", qonnx.quant(qonnx.real(5, 8), 0.5, 2, narrow=1), perm=[1, 0])
    path = qonnx.path((1, 2, 8, 8), qonnx.node("MatMul", value, matrix))
    graph = equals_reference(path, inputs(20, 2, 8, 8, spread=20.0))
    kinds = [type(node) for node in graph.nodes]
    assert kinds == [Convolution, MaxPool, Convolution, Convolution]
    assert [tensor.format for tensor in graph.tensors.values()][:3] == ["int8", "binary", "binary"]


def test_one_dimension_groups_and_scales_per_channel(qonnx: Writer) -> None:
    scales = (qonnx.random.random((4, 1, 1)) + 0.1).astype(np.float32)
    value = qonnx.node(
        "Conv", qonnx.quant("x", 0.1, 6), qonnx.quant(qonnx.real(4, 1, 3), scales, 4), group=2, pads=[1, 1]
    )
    value = qonnx.quant(qonnx.node("Relu", qonnx.batch_normalization(value, 4, spread=0.5)), 0.2, 4, signed=0)
    value = qonnx.node("Flatten", qonnx.node("MaxPool", value, kernel_shape=[4], strides=[4]))
    path = qonnx.path(
        (1, 2, 16), qonnx.node("Gemm", value, qonnx.quant(qonnx.real(3, 16), 0.25, 3), qonnx.real(3), transB=1)
    )
    graph = equals_reference(path, inputs(40, 2, 16), exact=False)
    assert graph.tensors[graph.nodes[0].output].format == "int4"
    assert graph.tensors[graph.nodes[0].output].zero_point == -8


def test_host_operators_at_both_ends(qonnx: Writer) -> None:
    """The order of the model, in float32: exact where the last sums are."""
    value = qonnx.node(
        "Sub", qonnx.node("Mul", "x", qonnx.constant(np.float32(2))), qonnx.constant(np.ones(1, np.float32))
    )
    value = qonnx.node("MatMul", qonnx.bipolar(value), qonnx.signs(12, 6))
    value = qonnx.node("Sub", value, qonnx.constant(np.array([0.37], np.float32)))
    root = qonnx.node("Pow", qonnx.constant(np.array([318.25], np.float32)), qonnx.constant(np.float32(0.5)))
    value = qonnx.node("Add", qonnx.node("Mul", qonnx.node("Div", value, root), qonnx.real(6)), qonnx.real(1, 6))
    graph = equals_reference(qonnx.path((1, 12), value), inputs(30, 12, spread=1.0))
    assert [step.kind for step in graph.input_steps] == ["multiply", "subtract", "bipolar"]
    assert [step.kind for step in graph.host_steps] == ["sums", "subtract", "divide", "multiply", "add"]


@pytest.mark.parametrize("sums", [60, 4000])
def test_sums_leave_in_as_many_bytes_as_they_have(qonnx: Writer, sums: int) -> None:
    value = qonnx.node("MatMul", qonnx.bipolar("x"), qonnx.signs(sums, 5))
    graph = equals_reference(qonnx.path((1, sums), value), inputs(20, sums))
    planes = 1 if sums < 128 else 2
    assert graph.host_steps[0].planes == planes
    assert graph.tensors[graph.output].shape == (1, 1, 5 * planes)


def test_input_of_real_numbers_is_multiplied_by_the_host(qonnx: Writer) -> None:
    value = qonnx.node("Add", qonnx.node("MatMul", "x", qonnx.real(12, 9)), qonnx.real(9))
    value = qonnx.quant(qonnx.node("Relu", value), 0.25, 4, signed=0)
    graph = equals_reference(qonnx.path((1, 12), qonnx.node("MatMul", value, qonnx.signs(9, 4))), inputs(30, 12))
    assert [step.kind for step in graph.input_steps] == ["matmul", "add", "maximum", "quantize"]
    assert len(graph.nodes) == 1


@pytest.mark.parametrize(("datatype", "members", "kind"), [("INT8", (-128, 127), "int8"), ("UINT8", (0, 255), "int8"), ("BIPOLAR", (-1, 1), "binary"), ("UINT4", (0, 15), "int4"), ("TERNARY", (-1, 1), "ternary")])  # fmt: skip
def test_annotated_input(qonnx: Writer, datatype: str, members: tuple[int, int], kind: str) -> None:
    path = qonnx.path((1, 2, 5, 5), qonnx.bipolar(qonnx.node("Conv", "x", qonnx.signs(4, 2, 3, 3))))
    annotate(qonnx.proto, "x", datatype)
    qonnx.write()
    values = np.random.default_rng(3).integers(members[0], members[1] + 1, (20, 2, 5, 5))
    values = np.where(values == 0, 1, values) if datatype == "BIPOLAR" else values
    graph = equals_reference(path, values.astype(np.float32))
    assert graph.tensors[graph.input].format == kind
    assert graph.input_members.min() == members[0]


def test_weights_by_value(qonnx: Writer) -> None:
    """Real constants that are -s, 0 and s, or whole numbers, need no quantizer."""
    ternary = qonnx.constant((qonnx.random.integers(-1, 2, (12, 7)) * np.float32(0.3)).astype(np.float32))
    value = qonnx.bipolar(qonnx.node("MatMul", qonnx.bipolar("x"), ternary))
    whole = qonnx.constant(qonnx.random.integers(-5, 6, (7, 3)).astype(np.float32))
    graph = equals_reference(qonnx.path((1, 12), qonnx.node("MatMul", value, whole)), inputs(30, 12))
    layers = [node for node in graph.nodes if isinstance(node, Convolution)]
    assert [layer.weight_format for layer in layers] == ["ternary", "int4"]


@pytest.mark.parametrize(("relu", "layers"), [(False, 2), (True, 3)])
def test_quantizers_that_change_nothing_need_no_layer(qonnx: Writer, relu: bool, layers: int) -> None:
    """With a Relu in between, which the importer does not look into, the map is copied."""
    value = qonnx.quant(qonnx.node("MatMul", qonnx.bipolar("x"), qonnx.signs(12, 8)), 2.1, 3, signed=0)
    value = qonnx.node("Relu", value) if relu else value
    again = qonnx.quant(value, 2.1, 4, signed=0)
    graph = equals_reference(qonnx.path((1, 12), qonnx.node("MatMul", again, qonnx.signs(8, 3))), inputs(30, 12), exact=False)
    assert len(graph.nodes) == layers


@pytest.mark.parametrize("operator", ["AveragePool", "GlobalAveragePool", "ReduceMean"])
def test_averages(qonnx: Writer, operator: str) -> None:
    value = qonnx.node("Conv", qonnx.quant("x", 0.5, 6), qonnx.signs(6, 2, 3, 3))
    value = qonnx.quant(qonnx.batch_normalization(value, 6), 0.37, 4)
    attributes: dict[str, Any] = {"AveragePool": {"kernel_shape": [2, 3]}, "ReduceMean": {"axes": [2, 3]}}.get(operator, {})
    value = qonnx.node("Flatten", qonnx.quant(qonnx.node(operator, value, **attributes), 0.211, 4))
    places = 6 * 5 * 4 if operator == "AveragePool" else 6
    path = qonnx.path((1, 2, 8, 8), qonnx.node("MatMul", value, qonnx.signs(places, 3)))
    equals_reference(path, inputs(20, 2, 8, 8), exact=False)


def test_truncation(qonnx: Writer) -> None:
    sums = qonnx.node("MatMul", qonnx.quant("x", 1.0, 4), qonnx.quant(qonnx.real(12, 6, spread=2.0), 1.0, 3))
    constants = [qonnx.constant(np.float32(value)) for value in (1.0, 0.0, 10.0, 7.0)]
    value = qonnx.node("Trunc", sums, *constants, domain=QONNX, rounding_mode="FLOOR")
    equals_reference(qonnx.path((1, 12), qonnx.node("MatMul", value, qonnx.signs(6, 3))), inputs(60, 12))


def test_truncation_of_version_2(qonnx: Writer) -> None:
    sums = qonnx.node("MatMul", qonnx.quant("x", 1.0, 4), qonnx.quant(qonnx.real(12, 6, spread=2.0), 1.0, 3))
    constants = [qonnx.constant(np.float32(value)) for value in (1.0, 0.0, 10.0, 8.0, 0.0, 4.0)]
    value = qonnx.node("Trunc", sums, *constants, domain=QONNX, rounding_mode="CEIL", signed=1, narrow=0)
    graph = equals_reference(
        qonnx.path((1, 12), qonnx.node("MatMul", value, qonnx.signs(6, 3))), inputs(60, 12, spread=9.0)
    )
    assert graph.tensors[graph.nodes[0].output].format == "int4"


@pytest.mark.parametrize("domain", ["", "onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general"])
def test_every_domain_of_the_quantizers(qonnx: Writer, domain: str) -> None:
    """Exporters leave out the import of the domain, and even the domain; onnx itself refuses such files."""
    weights = qonnx.bipolar(qonnx.real(12, 4), domain=domain)
    path = qonnx.path(
        (1, 12), qonnx.quant(qonnx.node("MatMul", qonnx.bipolar("x", domain=domain), weights), 3.0, 3, domain=domain)
    )
    del qonnx.proto.opset_import[1]
    qonnx.write()
    equals_reference(path, inputs(10, 12))


# Refusals


def layer(qonnx: Writer, outputs: int = 8) -> str:
    return str(qonnx.node("MatMul", qonnx.bipolar("x"), qonnx.signs(12, outputs)))


Build = Callable[[Writer], str]
REFUSALS: dict[str, tuple[Build, str]] = {
    "scale per channel": (
        lambda q: q.quant(layer(q), np.arange(1, 9, dtype=np.float32), 4),
        "its activations have 8 scales; quantize activations per tensor",
    ),
    "scale not positive": (lambda q: q.quant(layer(q), 0.0, 4), "a scale is not positive"),
    "bits": (lambda q: q.quant(layer(q), 1.0, 40), "a bit width of 40; use 1 to 8 bits"),
    "bits not whole": (lambda q: q.quant(layer(q), 1.0, 2.5), "its bit width is not one whole number"),
    "zero point": (lambda q: q.quant(layer(q), 1.0, 4, 0.5), "its zero point is not one whole number"),
    "zero point outside": (lambda q: q.quant(layer(q), 1.0, 4, 99), "the zero point 99 is outside -8..7"),
    "rounding": (lambda q: q.quant(layer(q), 1.0, 4, rounding_mode="DICE"), "rounding_mode 'DICE' is not supported; use one of"),
    "one bit with zero point": (lambda q: q.quant(layer(q), 1.0, 1, -1), "one signed bit with a zero point"),
    "not monotone": (
        lambda q: q.node("MultiThreshold", layer(q), q.constant(np.array([[1, 2]] * 3 + [[2, 1]] * 5, np.float32)), domain=QONNX, out_dtype="INT2"),
        "the thresholds of channel 3 are not monotone; sort",
    ),
    "thresholds of other channels": (
        lambda q: q.node("MultiThreshold", layer(q), q.constant(np.zeros((3, 2), np.float32)), domain=QONNX, out_dtype="INT2"),
        "thresholds of 3 channels for 8",
    ),
    "bias between levels": (
        lambda q: q.node("MultiThreshold", layer(q), q.constant(np.zeros((8, 2), np.float32)), domain=QONNX, out_dtype="INT2", out_bias=0.3),
        "out_bias 0.3 is not a multiple of out_scale 1",
    ),
    "layout": (
        lambda q: q.node("MultiThreshold", layer(q), q.constant(np.zeros((8, 2), np.float32)), domain=QONNX, out_dtype="INT2", data_layout="CHWN"),
        "data_layout 'CHWN' is not supported; use NCHW",
    ),
    "real weights": (lambda q: q.node("MatMul", q.bipolar("x"), q.real(12, 3)), "its weights are not quantized: neither integers"),
    "weights of 9 bits": (lambda q: q.node("MatMul", q.bipolar("x"), q.quant(q.real(12, 3, spread=99), 0.1, 12)), "outside int8; quantize weights to at most 8 bits"),
    "scales of inputs": (
        lambda q: q.node("MatMul", q.bipolar("x"), q.quant(q.real(12, 3), np.ones((12, 1)) + np.arange(12)[:, None], 4)),
        "its weights have one scale for each index of axis 0, not for each output (axis 1)",
    ),
    "no quantizer between": (lambda q: q.node("MatMul", layer(q), q.signs(8, 3)), "its input is not quantized; put a Quant"),
    "two maps": (lambda q: q.node("Add", layer(q), *q.nodes[-1].output), "it combines two maps"),
    "divided by a map": (lambda q: q.node("Div", q.real(1), layer(q)), "it divides a constant by a map"),
    "unknown operator": (lambda q: q.node("Tanh", layer(q)), "this operator is not supported in QONNX models"),
    "not finite": (lambda q: q.bipolar(q.node("Mul", layer(q), q.constant(np.float32(np.inf)))), "its constant is not finite"),
    "variance": (
        lambda q: q.node("BatchNormalization", layer(q), *[q.constant(np.full(8, -1, np.float32))] * 4),
        "its variance or another of its constants is not usable",
    ),
    "behind the host": (lambda q: q.quant(q.node("Softmax", layer(q)), 1.0, 4), "only a final Softmax or ArgMax is supported"),
    "only an input": (lambda q: q.bipolar("x"), "is not the result of a layer"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal(qonnx: Writer, name: str) -> None:
    build, pattern = REFUSALS[name]
    refused(qonnx, build(qonnx), pattern)


def test_convolution_of_an_unknown_input_is_refused(qonnx: Writer) -> None:
    value = qonnx.bipolar(qonnx.node("Conv", "x", qonnx.signs(4, 2, 3, 3)))
    refused(qonnx, value, "annotate it with a finn_datatype such as INT8, UINT8 or BIPOLAR", shape=(1, 2, 5, 5))


def test_input_quantized_twice_is_refused(qonnx: Writer) -> None:
    first = qonnx.bipolar(qonnx.node("MatMul", qonnx.bipolar("x"), qonnx.signs(12, 4)))
    qonnx.node("MatMul", qonnx.quant("x", 1.0, 4), qonnx.signs(12, 4))
    refused(qonnx, first, "the input is quantized twice in different ways")


def test_weights_outside_of_their_annotated_set_are_refused(qonnx: Writer) -> None:
    weights = qonnx.constant(np.array([[1, -1], [-1, 0]] * 6, np.float32))
    qonnx.path((1, 12), qonnx.bipolar(qonnx.node("MatMul", qonnx.bipolar("x"), weights)))
    annotate(qonnx.proto, weights, "BIPOLAR")
    with pytest.raises(ModelError, match=r"is annotated as BIPOLAR, but holds 0; correct the annotation"):
        import_onnx(qonnx.write())


def test_negative_factor_with_a_max_pool_of_sums_is_refused(qonnx: Writer) -> None:
    value = qonnx.node("Conv", qonnx.quant("x", 0.5, 8), qonnx.signs(6, 2, 3, 3))
    value = qonnx.node("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
    refused(
        qonnx, qonnx.bipolar(qonnx.batch_normalization(value, 6)), "is negative, and the MaxPool", shape=(1, 2, 8, 8)
    )


def test_weights_that_have_no_negative_are_refused(qonnx: Writer) -> None:
    weights = qonnx.constant(np.full((12, 3), -128, np.float32) * np.float32(0.5))
    value = qonnx.node("MatMul", qonnx.bipolar("x"), qonnx.quant(weights, 0.5, 8))
    value = qonnx.node("Mul", value, qonnx.constant(np.float32(-1)))
    refused(qonnx, qonnx.bipolar(value), "its weights hold -128, which has no negative; use narrow weights")
