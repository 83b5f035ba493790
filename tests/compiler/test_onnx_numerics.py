"""The formulas of ONNX Runtime's element-wise kernels, on every pair of inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from macaw.compiler.onnx_numerics import (
    Quantization,
    addition_table,
    dequantized,
    product_steps,
    quantized,
    unfused_addition_table,
)

VALUES = np.arange(-128, 128)


def quantizations(seed: int) -> tuple[Quantization, Quantization, Quantization]:
    """Two inputs and an output: any scales, powers of two with their ties, and ratios near ties in turn."""
    generator = np.random.default_rng(seed)
    first, second = generator.uniform(0.005, 0.2, 2)
    output = (first + second) * generator.uniform(0.3, 1.0)
    if seed % 3 == 0:
        first, second, output = 2.0 ** -generator.integers(3, 7, 3)
    elif seed % 3 == 1:
        second = first
        output = 2 * first * (1.0, 0.75, 0.6)[seed // 3 % 3]
    zeros = generator.integers(-128, 128, 3)
    return tuple(  # type: ignore[return-value]
        Quantization(float(np.float32(scale)), int(zero), seed % 2 == 0)
        for scale, zero in zip((first, second, output), zeros, strict=True)
    )


def run(
    nodes: list[Any], a: Quantization, b: Quantization, y: Quantization, rows: int = 256, **options: str
) -> NDArray[np.int64]:
    """Runs a model with the int8 or uint8 inputs ``a`` and ``b`` on every pair; results in the int8 domain."""
    element, kind = (TensorProto.UINT8, np.uint8) if y.unsigned else (TensorProto.INT8, np.int8)
    constants = []
    for name, q in (("a", a), ("b", b), ("y", y)):
        constants.append(helper.make_tensor(f"{name}_scale", TensorProto.FLOAT, [], [q.scale]))
        constants.append(helper.make_tensor(f"{name}_zero", element, [], [q.stated_zero_point]))
    inputs = [helper.make_tensor_value_info(name, element, [256, 256]) for name in ("a", "b")]
    outputs = [helper.make_tensor_value_info("y", element, [rows, 256])]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(
        helper.make_graph(nodes, "pairs", inputs, outputs, constants), opset_imports=imports, ir_version=8
    )
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    for key, value in options.items():
        settings.add_session_config_entry(f"session.{key}", value)
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    shift = 128 if y.unsigned else 0
    left, right = np.meshgrid(VALUES + shift, VALUES + shift, indexing="ij")
    return session.run(None, {"a": left.astype(kind), "b": right.astype(kind)})[0].astype(np.int64) - shift


def linear(operator: str) -> list[Any]:
    names = ["a", "a_scale", "a_zero", "b", "b_scale", "b_zero", "y_scale", "y_zero"]
    return [helper.make_node(operator, names, ["y"], domain="com.microsoft")]


@pytest.mark.parametrize("seed", range(24))
def test_addition_kernel(seed: int) -> None:
    a, b, y = quantizations(seed)
    np.testing.assert_array_equal(addition_table(a, b, y, y.unsigned), run(linear("QLinearAdd"), a, b, y))


@pytest.mark.parametrize("seed", range(24))
def test_multiplication_kernel(seed: int) -> None:
    a, b, y = quantizations(seed)
    y = Quantization(float(np.float32(a.scale * b.scale * 40)), y.zero_point, y.unsigned)
    products = (VALUES - a.zero_point)[:, None] * (VALUES - b.zero_point)
    steps = product_steps(products, np.float32(a.scale), np.float32(b.scale), y, y.unsigned)
    np.testing.assert_array_equal(np.clip(steps + y.zero_point, -128, 127), run(linear("QLinearMul"), a, b, y))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("bounded", [False, True])
def test_unfused_addition(seed: int, bounded: bool) -> None:
    """DequantizeLinear, Add, Relu that the output's range does not imply, QuantizeLinear."""
    a, b, y = quantizations(seed)
    y = Quantization(y.scale, -100, y.unsigned)
    nodes = [
        helper.make_node("DequantizeLinear", ["a", "a_scale", "a_zero"], ["ar"]),
        helper.make_node("DequantizeLinear", ["b", "b_scale", "b_zero"], ["br"]),
        helper.make_node("Add", ["ar", "br"], ["s"]),
        helper.make_node("Relu", ["s"], ["r"]),
        helper.make_node("QuantizeLinear", ["r" if bounded else "s", "y_scale", "y_zero"], ["y"]),
    ]
    table = unfused_addition_table(a, b, y, 0.0 if bounded else -np.inf, np.inf)
    if bounded:
        np.testing.assert_array_equal(table, run(nodes, a, b, y))
    else:
        del nodes[3]
        np.testing.assert_array_equal(table, run(nodes, a, b, y, disable_quant_qdq="1"))


@pytest.mark.parametrize("seed", range(12))
def test_concatenation_kernel(seed: int) -> None:
    """Along the rows: the output has the rows of ``a``, then those of ``b``."""
    a, b, y = quantizations(seed)
    names = ["y_scale", "y_zero", "a", "a_scale", "a_zero", "b", "b_scale", "b_zero"]
    node = helper.make_node("QLinearConcat", names, ["y"], domain="com.microsoft", axis=0)
    parts = [np.clip(quantized(dequantized(VALUES, part), y) + y.zero_point, -128, 127) for part in (a, b)]
    found = run([node], a, b, y, rows=512)
    np.testing.assert_array_equal(found[:256], np.broadcast_to(parts[0][:, None], (256, 256)))
    np.testing.assert_array_equal(found[256:], np.broadcast_to(parts[1], (256, 256)))
