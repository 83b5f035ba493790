"""QONNX models: what the importer makes of them, every refusal with its message, and thresholds against the float operators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from macaw.compiler.graph import Add, Concat, Convolution, MaxPool
from macaw.compiler.onnx_import import import_onnx
from macaw.compiler.problem import ModelError
from macaw.compiler.requantization import BytePlanes, ThresholdRequantization

QONNX = "qonnx.custom_op.general"


def inputs(*shape: int, spread: float = 4.0, seed: int = 1) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).normal(size=shape) * spread).astype(np.float32)


# Thresholds


@pytest.mark.parametrize("offset", [0.0, 0.5, 3.0])
def test_sign_behind_batch_normalization_on_every_sum(qonnx: Any, offset: float) -> None:
    """All sums of 12 signs, for channels whose factor is positive, negative, zero or tiny, and whose threshold is a sum itself."""
    channels = 9
    scale = np.array([1, -1, 2, -3, 0, 1e-30, -1e-30, 0.1, -0.3], np.float32)
    mean = np.array([0, 0, 2, 4, 1, 0, 0, 6, -2], np.float32) + np.float32(offset)
    arrays = (scale, np.zeros(channels, np.float32), mean, np.full(channels, 7, np.float32))
    sums = qonnx.node("MatMul", qonnx.bipolar("x"), qonnx.bipolar(qonnx.constant(np.ones((12, channels), np.float32))))
    normal = qonnx.node("BatchNormalization", sums, *map(qonnx.constant, arrays))
    path = qonnx.path((1, 12), qonnx.bipolar(normal))
    every = np.where(np.arange(12) < np.arange(13)[:, None], 1.0, -1.0).astype(np.float32)
    graph = qonnx.equals_reference(path, every)
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
def test_quantizers_of_a_layer(qonnx: Any, mode: str, bits: int, signed: int, narrow: int) -> None:
    weights = qonnx.quant(qonnx.real(12, 16), 0.25, 3)
    sums = qonnx.node("MatMul", qonnx.quant("x", 0.5, 4), weights)
    sums = qonnx.batch_normalization(sums, 16, spread=3.0)
    first = qonnx.quant(sums, 0.3, bits, signed=signed, narrow=narrow, rounding_mode=mode)
    last = qonnx.node("MatMul", first, qonnx.signs(16, 5))
    path = qonnx.path((1, 12), last)
    if mode in ("DOWN", "ROUND_TO_ZERO") and signed and bits > 2:
        # Zero is twice as wide as the other steps.
        with pytest.raises(ModelError, match="no exact requantization"):
            qonnx.golden(import_onnx(path))
        return
    graph = qonnx.equals_reference(path, inputs(60, 12), exact=False)
    rule = graph.nodes[-1]
    assert isinstance(rule, Convolution)
    assert isinstance(rule.requantization, BytePlanes)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("scale", [0.5, 0.25, 1.0])
def test_halves_to_even_become_two_lines(qonnx: Any, scale: float, relu: bool) -> None:
    """Powers of two everywhere: sums are exact halves, and no single line rounds them to even."""
    sums = qonnx.node("MatMul", qonnx.quant("x", 0.5, 4), qonnx.quant(qonnx.real(12, 8), 0.125, 4))
    sums = qonnx.node("Relu", sums) if relu else sums
    middle = qonnx.quant(sums, scale, 5, signed=int(not relu))
    last = qonnx.quant(qonnx.node("MatMul", middle, qonnx.quant(qonnx.real(8, 5), 0.25, 4)), 0.3, 6)
    path = qonnx.path((1, 12), last)
    graph = qonnx.equals_reference(path, inputs(300, 12, spread=2.0))
    (whole,) = [node for node in graph.nodes if isinstance(node, Concat)]
    assert whole.inputs == (f"{middle}/odd", f"{middle}/even")
    assert graph.tensors[whole.output].shape == (1, 1, 16)


def test_the_host_rounds_the_last_halves_to_even(qonnx: Any) -> None:
    sums = qonnx.node("MatMul", qonnx.quant("x", 0.5, 4), qonnx.quant(qonnx.real(12, 8), 0.125, 4))
    graph = qonnx.equals_reference(qonnx.path((1, 12), qonnx.quant(sums, 0.5, 5)), inputs(200, 12))
    assert [step.kind for step in graph.host_steps] == ["sums", "quantize"]


def test_halves_between_layers_with_groups(qonnx: Any) -> None:
    value = qonnx.node("Conv", qonnx.quant("x", 0.5, 4), qonnx.quant(qonnx.real(4, 4, 1), 0.125, 4))
    value = qonnx.node("MaxPool", qonnx.quant(value, 0.5, 5), kernel_shape=[2])
    value = qonnx.node("Conv", value, qonnx.signs(4, 1, 3), group=4)
    graph = qonnx.equals_reference(qonnx.path((1, 4, 8), qonnx.bipolar(value)), inputs(100, 4, 8))
    assert [type(node) for node in graph.nodes] == [Convolution, Convolution, Add, MaxPool, Convolution]


@pytest.mark.parametrize("levels", [1, 2])
def test_thresholds_of_any_distance(qonnx: Any, levels: int) -> None:
    table = np.sort(qonnx.random.integers(-20, 20, (8, levels)), axis=1) + np.float32(0.5)
    sums = qonnx.node("MatMul", qonnx.quant("x", 1.0, 3), qonnx.signs(12, 8))
    bias, scale = (-1.0, 2.0) if levels == 1 else (-1.0, 1.0)
    attributes = {"out_bias": bias, "out_scale": scale, "out_dtype": "INT2", "data_layout": "NC"}
    quantized = qonnx.node("MultiThreshold", sums, qonnx.constant(table.astype(np.float32)), domain=QONNX, **attributes)
    graph = qonnx.equals_reference(qonnx.path((1, 12), quantized), inputs(200, 12))
    assert graph.tensors[graph.output].format == ("binary" if levels == 1 else "ternary")


def thresholds_of(qonnx: Any, *row: float) -> Path:
    sums = qonnx.node("MatMul", qonnx.quant("x", 1.0, 3), qonnx.signs(12, 8))
    table = qonnx.constant(np.tile(np.array(row, np.float32), (8, 1)))
    path: Path = qonnx.path((1, 12), qonnx.node("MultiThreshold", sums, table, domain=QONNX, out_dtype="UINT4"))
    return path


def test_thresholds_of_two_distances(qonnx: Any) -> None:
    """No line, but two: of the first and third, and of the second and fourth."""
    graph = qonnx.equals_reference(thresholds_of(qonnx, -20, -19, 11, 15), inputs(300, 12))
    assert [type(node) for node in graph.nodes] == [Convolution, Convolution, Add]


def test_thresholds_without_a_line_are_refused(qonnx: Any) -> None:
    graph = import_onnx(thresholds_of(qonnx, -20, -18, -13, -7, 2, 15))
    with pytest.raises(ModelError, match="no exact requantization"):
        qonnx.golden(graph)


# Layers


@pytest.mark.parametrize("before", [False, True])
def test_convolutions_and_max_pools(qonnx: Any, before: bool) -> None:
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
    graph = qonnx.equals_reference(path, inputs(20, 2, 8, 8, spread=20.0))
    kinds = [type(node) for node in graph.nodes]
    assert kinds == [Convolution, MaxPool, Convolution, Convolution]
    assert [tensor.format for tensor in graph.tensors.values()][:3] == ["int8", "binary", "binary"]


def test_one_dimension_groups_and_scales_per_channel(qonnx: Any) -> None:
    scales = (qonnx.random.random((4, 1, 1)) + 0.1).astype(np.float32)
    value = qonnx.node(
        "Conv", qonnx.quant("x", 0.1, 6), qonnx.quant(qonnx.real(4, 1, 3), scales, 4), group=2, pads=[1, 1]
    )
    value = qonnx.quant(qonnx.node("Relu", qonnx.batch_normalization(value, 4, spread=0.5)), 0.2, 4, signed=0)
    value = qonnx.node("Flatten", qonnx.node("MaxPool", value, kernel_shape=[4], strides=[4]))
    path = qonnx.path(
        (1, 2, 16), qonnx.node("Gemm", value, qonnx.quant(qonnx.real(3, 16), 0.25, 3), qonnx.real(3), transB=1)
    )
    graph = qonnx.equals_reference(path, inputs(40, 2, 16), exact=False)
    assert graph.tensors[graph.nodes[0].output].format == "int4"
    assert graph.tensors[graph.nodes[0].output].zero_point == -8


def test_host_operators_at_both_ends(qonnx: Any) -> None:
    """The order of the model, in float32: exact where the last sums are."""
    value = qonnx.node(
        "Sub", qonnx.node("Mul", "x", qonnx.constant(np.float32(2))), qonnx.constant(np.ones(1, np.float32))
    )
    value = qonnx.node("MatMul", qonnx.bipolar(value), qonnx.signs(12, 6))
    value = qonnx.node("Sub", value, qonnx.constant(np.array([0.37], np.float32)))
    root = qonnx.node("Pow", qonnx.constant(np.array([318.25], np.float32)), qonnx.constant(np.float32(0.5)))
    value = qonnx.node("Add", qonnx.node("Mul", qonnx.node("Div", value, root), qonnx.real(6)), qonnx.real(1, 6))
    graph = qonnx.equals_reference(qonnx.path((1, 12), value), inputs(30, 12, spread=1.0))
    assert [step.kind for step in graph.input_steps] == ["multiply", "subtract", "bipolar"]
    assert [step.kind for step in graph.host_steps] == ["sums", "subtract", "divide", "multiply", "add"]


@pytest.mark.parametrize("sums", [60, 4000])
def test_sums_leave_in_as_many_bytes_as_they_have(qonnx: Any, sums: int) -> None:
    value = qonnx.node("MatMul", qonnx.bipolar("x"), qonnx.signs(sums, 5))
    graph = qonnx.equals_reference(qonnx.path((1, sums), value), inputs(20, sums))
    planes = 1 if sums < 128 else 2
    assert graph.host_steps[0].planes == planes
    assert graph.tensors[graph.output].shape == (1, 1, 5 * planes)


def test_input_of_real_numbers_is_multiplied_by_the_host(qonnx: Any) -> None:
    value = qonnx.node("Add", qonnx.node("MatMul", "x", qonnx.real(12, 9)), qonnx.real(9))
    value = qonnx.quant(qonnx.node("Relu", value), 0.25, 4, signed=0)
    graph = qonnx.equals_reference(qonnx.path((1, 12), qonnx.node("MatMul", value, qonnx.signs(9, 4))), inputs(30, 12))
    assert [step.kind for step in graph.input_steps] == ["matmul", "add", "maximum", "quantize"]
    assert len(graph.nodes) == 1


@pytest.mark.parametrize(("datatype", "members", "kind"), [("INT8", (-128, 127), "int8"), ("UINT8", (0, 255), "int8"), ("BIPOLAR", (-1, 1), "binary"), ("UINT4", (0, 15), "int4"), ("TERNARY", (-1, 1), "ternary")])  # fmt: skip
def test_annotated_input(qonnx: Any, datatype: str, members: tuple[int, int], kind: str) -> None:
    path = qonnx.path((1, 2, 5, 5), qonnx.bipolar(qonnx.node("Conv", "x", qonnx.signs(4, 2, 3, 3))))
    qonnx.annotate("x", datatype)
    qonnx.write()
    values = np.random.default_rng(3).integers(members[0], members[1] + 1, (20, 2, 5, 5))
    values = np.where(values == 0, 1, values) if datatype == "BIPOLAR" else values
    graph = qonnx.equals_reference(path, values.astype(np.float32))
    assert graph.tensors[graph.input].format == kind
    assert graph.input_members.min() == members[0]


def test_weights_by_value(qonnx: Any) -> None:
    """Real constants that are -s, 0 and s, or whole numbers, need no quantizer."""
    ternary = qonnx.constant((qonnx.random.integers(-1, 2, (12, 7)) * np.float32(0.3)).astype(np.float32))
    value = qonnx.bipolar(qonnx.node("MatMul", qonnx.bipolar("x"), ternary))
    whole = qonnx.constant(qonnx.random.integers(-5, 6, (7, 3)).astype(np.float32))
    graph = qonnx.equals_reference(qonnx.path((1, 12), qonnx.node("MatMul", value, whole)), inputs(30, 12))
    layers = [node for node in graph.nodes if isinstance(node, Convolution)]
    assert [layer.weight_format for layer in layers] == ["ternary", "int4"]


@pytest.mark.parametrize(("relu", "layers"), [(False, 2), (True, 3)])
def test_quantizers_that_change_nothing_need_no_layer(qonnx: Any, relu: bool, layers: int) -> None:
    """With a Relu in between, which the importer does not look into, the map is copied."""
    value = qonnx.quant(qonnx.node("MatMul", qonnx.bipolar("x"), qonnx.signs(12, 8)), 2.1, 3, signed=0)
    value = qonnx.node("Relu", value) if relu else value
    again = qonnx.quant(value, 2.1, 4, signed=0)
    graph = qonnx.equals_reference(qonnx.path((1, 12), qonnx.node("MatMul", again, qonnx.signs(8, 3))), inputs(30, 12), exact=False)
    assert len(graph.nodes) == layers


@pytest.mark.parametrize("operator", ["AveragePool", "GlobalAveragePool", "ReduceMean"])
def test_averages(qonnx: Any, operator: str) -> None:
    value = qonnx.node("Conv", qonnx.quant("x", 0.5, 6), qonnx.signs(6, 2, 3, 3))
    value = qonnx.quant(qonnx.batch_normalization(value, 6), 0.37, 4)
    attributes: dict[str, Any] = {"AveragePool": {"kernel_shape": [2, 3]}, "ReduceMean": {"axes": [2, 3]}}.get(operator, {})
    value = qonnx.node("Flatten", qonnx.quant(qonnx.node(operator, value, **attributes), 0.211, 4))
    places = 6 * 5 * 4 if operator == "AveragePool" else 6
    path = qonnx.path((1, 2, 8, 8), qonnx.node("MatMul", value, qonnx.signs(places, 3)))
    qonnx.equals_reference(path, inputs(20, 2, 8, 8), exact=False)


def test_truncation(qonnx: Any) -> None:
    sums = qonnx.node("MatMul", qonnx.quant("x", 1.0, 4), qonnx.quant(qonnx.real(12, 6, spread=2.0), 1.0, 3))
    constants = [qonnx.constant(np.float32(value)) for value in (1.0, 0.0, 10.0, 7.0)]
    value = qonnx.node("Trunc", sums, *constants, domain=QONNX, rounding_mode="FLOOR")
    qonnx.equals_reference(qonnx.path((1, 12), qonnx.node("MatMul", value, qonnx.signs(6, 3))), inputs(60, 12))


def test_truncation_of_version_2(qonnx: Any) -> None:
    sums = qonnx.node("MatMul", qonnx.quant("x", 1.0, 4), qonnx.quant(qonnx.real(12, 6, spread=2.0), 1.0, 3))
    constants = [qonnx.constant(np.float32(value)) for value in (1.0, 0.0, 10.0, 8.0, 0.0, 4.0)]
    value = qonnx.node("Trunc", sums, *constants, domain=QONNX, rounding_mode="CEIL", signed=1, narrow=0)
    graph = qonnx.equals_reference(
        qonnx.path((1, 12), qonnx.node("MatMul", value, qonnx.signs(6, 3))), inputs(60, 12, spread=9.0)
    )
    assert graph.tensors[graph.nodes[0].output].format == "int4"


@pytest.mark.parametrize("domain", ["", "onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general"])
def test_every_domain_of_the_quantizers(qonnx: Any, domain: str) -> None:
    """Exporters leave out the import of the domain, and even the domain; onnx itself refuses such files."""
    weights = qonnx.bipolar(qonnx.real(12, 4), domain=domain)
    path = qonnx.path(
        (1, 12), qonnx.quant(qonnx.node("MatMul", qonnx.bipolar("x", domain=domain), weights), 3.0, 3, domain=domain)
    )
    del qonnx.proto.opset_import[1]
    qonnx.write()
    qonnx.equals_reference(path, inputs(10, 12))


# Refusals


def layer(qonnx: Any, outputs: int = 8) -> str:
    return str(qonnx.node("MatMul", qonnx.bipolar("x"), qonnx.signs(12, outputs)))


Build = Callable[[Any], str]
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
    "two maps": (lambda q: q.node("Mul", layer(q), *q.nodes[-1].output), "it combines two maps; of two maps only the sum (Add)"),
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
def test_refusal(qonnx: Any, name: str) -> None:
    build, pattern = REFUSALS[name]
    qonnx.refused(build(qonnx), pattern)


def test_convolution_of_an_unknown_input_is_refused(qonnx: Any) -> None:
    value = qonnx.bipolar(qonnx.node("Conv", "x", qonnx.signs(4, 2, 3, 3)))
    qonnx.refused(value, "annotate it with a finn_datatype such as INT8, UINT8 or BIPOLAR", shape=(1, 2, 5, 5))


def test_input_quantized_twice_is_refused(qonnx: Any) -> None:
    first = qonnx.bipolar(qonnx.node("MatMul", qonnx.bipolar("x"), qonnx.signs(12, 4)))
    qonnx.node("MatMul", qonnx.quant("x", 1.0, 4), qonnx.signs(12, 4))
    qonnx.refused(first, "the input is quantized twice in different ways")


def test_weights_outside_of_their_annotated_set_are_refused(qonnx: Any) -> None:
    weights = qonnx.constant(np.array([[1, -1], [-1, 0]] * 6, np.float32))
    qonnx.path((1, 12), qonnx.bipolar(qonnx.node("MatMul", qonnx.bipolar("x"), weights)))
    qonnx.annotate(weights, "BIPOLAR")
    with pytest.raises(ModelError, match=r"is annotated as BIPOLAR, but holds 0; correct the annotation"):
        import_onnx(qonnx.write())


def test_negative_factor_with_a_max_pool_of_sums_is_refused(qonnx: Any) -> None:
    value = qonnx.node("Conv", qonnx.quant("x", 0.5, 8), qonnx.signs(6, 2, 3, 3))
    value = qonnx.node("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
    qonnx.refused(
        qonnx.bipolar(qonnx.batch_normalization(value, 6)), "is negative, and the MaxPool", shape=(1, 2, 8, 8)
    )


def test_weights_that_have_no_negative_are_refused(qonnx: Any) -> None:
    weights = qonnx.constant(np.full((12, 3), -128, np.float32) * np.float32(0.5))
    value = qonnx.node("MatMul", qonnx.bipolar("x"), qonnx.quant(weights, 0.5, 8))
    value = qonnx.node("Mul", value, qonnx.constant(np.float32(-1)))
    qonnx.refused(qonnx.bipolar(value), "its weights hold -128, which has no negative; use narrow weights")
