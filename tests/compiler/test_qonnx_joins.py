"""Add and Concat of maps in QONNX models: against the model operator by operator, and every refusal with its message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from macaw.compiler.budget import Budget
from macaw.compiler.compilation import compile_graph
from macaw.compiler.graph import Add, Concat, Graph, MaxPool
from macaw.compiler.number_formats import choose_formats
from macaw.compiler.problem import ModelError
from macaw.hw.primitives.target import Family
from macaw.sim.golden_network import GoldenNetwork, model_output, quantize_input
from macaw.sim.qonnx_reference import QonnxReference

QONNX = "qonnx.custom_op.general"
SHAPE = (1, 2, 8, 8)


def inputs(count: int = 20, shape: tuple[int, ...] = SHAPE[1:], spread: float = 4.0) -> NDArray[np.float32]:
    return (np.random.default_rng(1).normal(size=(count, *shape)) * spread).astype(np.float32)


def branches(qonnx: Any, *quantizers: tuple[float, int], channels: int = 6, **attributes: Any) -> list[str]:
    """Convolutions of one map, each with the scale and bits of its own quantizer."""
    x = qonnx.quant("x", 0.5, 4)
    return [
        qonnx.quant(qonnx.node("Conv", x, qonnx.signs(channels, 2, 3, 3)), scale, bits, **attributes)
        for scale, bits in quantizers
    ]


def kinds(graph: Graph) -> list[str]:
    return [type(node).__name__ for node in graph.nodes]


@pytest.mark.parametrize("rounding", ["ROUND", "FLOOR"])
@pytest.mark.parametrize(
    ("scales", "bits", "output", "halves"),
    [
        ((0.5, 0.5), 4, 0.5, False),
        ((0.5, 0.5), 4, 1.0, True),
        ((0.5, 0.25), 8, 1.0, True),
        ((0.37, 0.21), 3, 0.43, False),
        ((0.317, 0.2113), 8, 0.4337, False),
    ],
)
def test_residual_block(qonnx: Any, scales: tuple[float, float], bits: int, output: float, rounding: str, halves: bool) -> None:
    """Exact on all maps; a sum of halves that are rounded to even becomes two, and the sum of both."""
    total = qonnx.node("Relu", qonnx.node("Add", *branches(qonnx, *((scale, bits) for scale in scales))))
    total = qonnx.quant(total, output, bits, signed=0, rounding_mode=rounding)
    pooled = qonnx.node("MaxPool", total, kernel_shape=[2, 2], strides=[2, 2])
    path = qonnx.path(SHAPE, qonnx.bipolar(qonnx.node("Conv", pooled, qonnx.signs(3, 6, 3, 3))))
    graph = qonnx.equals_reference(path, inputs())
    split = ["Add", "Add"] if halves and rounding == "ROUND" else []
    assert kinds(graph) == ["Convolution", "Convolution", "Add", *split, "MaxPool", "Convolution"]


def test_blocks_behind_each_other(qonnx: Any) -> None:
    """The sum is read by the next block's convolution and by its sum, as in a ResNet; stored bytes change nothing."""
    value = branches(qonnx, (0.271, 4), signed=0)[0]
    for _ in range(2):
        inner = qonnx.node("Conv", value, qonnx.signs(6, 6, 3, 3), pads=[1, 1, 1, 1])
        inner = qonnx.quant(qonnx.batch_normalization(inner, 6, spread=2.0), 0.3331, 4)
        value = qonnx.quant(qonnx.node("Relu", qonnx.node("Add", value, inner)), 0.291, 4, signed=0)
    path = qonnx.path(SHAPE, qonnx.node("Conv", value, qonnx.signs(3, 6, 3, 3)))
    graph = qonnx.equals_reference(path, inputs(), exact=False)
    assert kinds(graph).count("Add") == 2
    stored = choose_formats(graph)
    integers = quantize_input(graph, inputs(4))
    plain, packed = (qonnx.golden(each).run(integers) for each in (graph, stored))
    for name, values in plain.items():
        np.testing.assert_array_equal(packed[name], values, err_msg=name)


def test_compiled_network(qonnx: Any) -> None:
    """A sum of halves, its concatenation with one of its parts and a max pool, as the engine has them: formats, copies, words."""
    first, second = branches(qonnx, (0.5, 3), (0.5, 3), signed=0)
    total = qonnx.quant(qonnx.node("Relu", qonnx.node("Add", first, second)), 1.0, 3, signed=0)
    again = qonnx.quant(qonnx.node("Conv", total, qonnx.signs(6, 6, 1, 1)), 1.0, 3, signed=0)
    whole = qonnx.node("Concat", total, again, axis=1)
    pooled = qonnx.node("MaxPool", whole, kernel_shape=[2, 2], strides=[2, 2])
    value = qonnx.bipolar(qonnx.batch_normalization(qonnx.node("Conv", pooled, qonnx.signs(16, 12, 2, 2)), 16))
    path = qonnx.path(SHAPE, qonnx.node("Conv", value, qonnx.signs(3, 16, 2, 2)))
    graph = qonnx.equals_reference(path, inputs(6))
    budget = Budget(
        name="test", family=Family.ECP5, luts=10**6, choice_luts=10**6, block_rams=200, multipliers=100, single_port_rams=0,
        multiplier_latency=3, requantizer_digit=0, weight_memory="block",
    )  # fmt: skip
    compilation = compile_graph(graph, budget, array=(2, 4, 8))
    assert compilation.config.adding and compilation.config.part_pitch
    maps = GoldenNetwork(compilation.graph, compilation.certified).run(quantize_input(compilation.graph, inputs(6)))
    found = model_output(compilation.graph, maps[compilation.graph.output])
    np.testing.assert_array_equal(found, QonnxReference(path, graph).outputs(inputs(6)))


@pytest.mark.parametrize("quantizer", ["bipolar", "ternary", "thresholds"])
def test_quantizers_of_a_sum(qonnx: Any, quantizer: str) -> None:
    total = qonnx.node("Add", *branches(qonnx, (1.0, 4), (2.0, 3)))
    total = qonnx.node("Mul", qonnx.node("Add", total, qonnx.constant(np.float32(0.5))), qonnx.constant(np.float32(2)))
    if quantizer == "bipolar":
        value = qonnx.bipolar(total)
    elif quantizer == "ternary":
        value = qonnx.quant(total, 9.0, 2, narrow=1)
    else:
        table = np.arange(-8, 7, dtype=np.float32)[None, :] * 3
        value = qonnx.node("MultiThreshold", total, qonnx.constant(table), domain=QONNX, out_dtype="INT4", out_bias=-8.0)
    path = qonnx.path(SHAPE, qonnx.bipolar(qonnx.node("Conv", value, qonnx.signs(3, 6, 3, 3))))
    graph = qonnx.equals_reference(path, inputs())
    assert any(isinstance(node, Add) and node.output == value for node in graph.nodes)
    assert graph.tensors[value].format == ("int4" if quantizer == "thresholds" else "ternary")


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.floats(0.05, 2), second=st.floats(0.05, 2), output=st.floats(0.05, 4), bits=st.integers(2, 6), seed=st.integers(0, 99)
)
def test_sum_of_every_pair(
    qonnx: Any, first: float, second: float, output: float, bits: int, seed: int
) -> None:
    """Both maps are the input's channels, so all pairs of integers come in: each equals float32's sum and rounding, or the
    model is refused for its ties."""
    qonnx.base.nodes.clear()
    qonnx.base.constants.clear()
    qonnx.random = np.random.default_rng(seed)
    x = qonnx.quant("x", 1.0, bits)
    selected = [qonnx.constant(np.eye(2, dtype=np.float32)[[index]].reshape(1, 2, 1, 1)) for index in (0, 1)]
    maps = [qonnx.quant(qonnx.node("Conv", x, selector), 1.0, bits) for selector in selected]
    scaled = [qonnx.quant(qonnx.node("Mul", value, qonnx.constant(np.float32(scale))), scale, bits) for value, scale in zip(maps, (first, second), strict=True)]
    total = qonnx.quant(qonnx.node("Add", *scaled), output, bits)
    values = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1), dtype=np.float32)
    pairs = np.stack(np.meshgrid(values, values, indexing="ij"))[None]
    path = qonnx.path(pairs.shape, total)
    try:
        qonnx.equals_reference(path, pairs)
    except ModelError as error:
        assert "no line through the sums of the two maps" in str(error)


def test_concatenation(qonnx: Any) -> None:
    """Three maps in two steps, one of them behind a Relu that changes nothing, one read by another layer, too."""
    first, second = branches(qonnx, (0.5, 3), (0.5, 3), signed=0)
    third = qonnx.node("Conv", first, qonnx.signs(6, 6, 1, 1))
    third = qonnx.node("Relu", qonnx.quant(third, 0.5, 3, signed=0))
    whole = qonnx.node("Concat", qonnx.node("Concat", first, second, axis=1), third, axis=1)
    value = qonnx.quant(qonnx.node("Conv", whole, qonnx.signs(4, 18, 3, 3)), 2.3, 2, narrow=1)
    path = qonnx.path(SHAPE, qonnx.node("Conv", value, qonnx.signs(3, 4, 2, 2)))
    graph = qonnx.equals_reference(path, inputs(), exact=False)
    assert [graph.tensors[node.output].shape[2] for node in graph.nodes if isinstance(node, Concat)] == [12, 18]


def test_concatenation_of_binary_and_ternary_maps(qonnx: Any) -> None:
    x = qonnx.quant("x", 0.5, 4)
    first = qonnx.bipolar(qonnx.batch_normalization(qonnx.node("Conv", x, qonnx.signs(5, 2, 3, 3)), 5))
    second = qonnx.quant(qonnx.node("Conv", x, qonnx.signs(3, 2, 3, 3)), 1.0, 2, narrow=1)
    whole = qonnx.node("Concat", first, qonnx.node("Concat", second, first, axis=1), axis=-3)
    pooled = qonnx.node("MaxPool", whole, kernel_shape=[2, 2], strides=[2, 2])
    path = qonnx.path(SHAPE, qonnx.bipolar(qonnx.node("Conv", pooled, qonnx.signs(3, 13, 3, 3))))
    graph = qonnx.equals_reference(path, inputs())
    assert [node.output for node in graph.nodes if isinstance(node, Concat)] == [
        name for name, tensor in graph.tensors.items() if tensor.shape[2] in (8, 13) and tensor.shape[0] == 6
    ]
    assert {graph.tensors[node.output].format for node in graph.nodes if isinstance(node, Concat | MaxPool)} == {"ternary"}
    choose_formats(graph)


# Refusals


def scaled_by_channel(qonnx: Any) -> str:
    return str(qonnx.batch_normalization(qonnx.node("Add", *branches(qonnx, (0.5, 4), (0.5, 4))), 6))


def thresholds_by_channel(qonnx: Any) -> str:
    table = qonnx.constant(np.arange(6, dtype=np.float32)[:, None] + np.arange(3, dtype=np.float32))
    total = qonnx.node("Add", *branches(qonnx, (0.5, 4), (0.5, 4)))
    return str(qonnx.node("MultiThreshold", total, table, domain=QONNX, out_dtype="UINT2"))


REFUSALS: dict[str, tuple[Callable[[Any], str], str]] = {
    "not quantized": (
        lambda q: q.quant(q.node("Add", branches(q, (0.5, 4))[0], q.node("Conv", q.nodes[0].output[0], q.signs(6, 2, 3, 3))), 1.0, 4),
        "it adds maps, of which input 1 is not quantized; put a Quant or BipolarQuant in front of each input",
    ),
    "difference": (lambda q: q.quant(q.node("Sub", *branches(q, (0.5, 4), (0.5, 4))), 1.0, 4), "of two maps only the sum (Add)"),
    "shapes": (
        lambda q: q.quant(q.node("Add", branches(q, (0.5, 4))[0], q.nodes[0].output[0]), 1.0, 4),
        "it adds maps of different shapes or layouts, 1x6x6x6 and 1x2x8x8",
    ),
    "numbers by channel": (lambda q: q.quant(scaled_by_channel(q), 1.0, 4), "has a number for each channel and it follows a sum of two maps"),
    "thresholds by channel": (thresholds_by_channel, "its thresholds differ from channel to channel and it follows a sum"),
    "falling": (
        lambda q: q.quant(q.node("Mul", q.node("Add", *branches(q, (0.5, 4), (0.5, 4))), q.constant(np.float32(-1))), 1.0, 4),
        "an operator behind a sum of two maps turns its sign",
    ),
    "not finite": (
        lambda q: q.quant(q.node("Mul", q.node("Add", *branches(q, (0.5, 4), (0.5, 4))), q.constant(np.float32(np.inf))), 1.0, 4),
        "its constant is not finite",
    ),
    "not quantized behind": (lambda q: q.node("Add", *branches(q, (0.5, 4), (0.5, 4))), "is a sum of two maps that nothing quantizes"),
    "read unquantized": (
        lambda q: q.bipolar(q.node("Conv", q.node("Add", *branches(q, (0.5, 4), (0.5, 4))), q.signs(3, 6, 3, 3))),
        "its input is not quantized; put a Quant or BipolarQuant between",
    ),
    "ties": (
        lambda q: q.quant(q.node("Add", *branches(q, (0.37, 8), (0.21, 8))), 0.5, 8, rounding_mode="FLOOR"),
        "(Add, scales 0.37 + 0.21 -> 0.5): no line through the sums of the two maps rounds them as the quantizer behind them does",
    ),
    "parts of other scales": (
        lambda q: q.bipolar(q.node("Conv", q.node("Concat", *branches(q, (0.5, 4), (0.25, 4)), axis=1), q.signs(3, 12, 3, 3))),
        "it joins maps of different quantizations: input 0 has scale 0.5 and is held with zero point 0, input 1 0.25 and 0; quantize",
    ),
    "other axis": (
        lambda q: q.bipolar(q.node("Conv", q.node("Concat", *branches(q, (0.5, 4), (0.5, 4)), axis=2), q.signs(3, 6, 3, 3))),
        "it joins along axis 2, not along the channels (axis 1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal(qonnx: Any, name: str) -> None:
    build, pattern = REFUSALS[name]
    qonnx.refused(build(qonnx), pattern, shape=SHAPE)
