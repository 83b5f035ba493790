"""Binary and ternary weights in int8 models are recognised, and the model's outputs stay what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

from macaw.compiler.graph import Convolution
from macaw.compiler.onnx_import import import_onnx
from macaw.compiler.requantization import GainRequantization
from macaw.sim.golden_network import golden_network, model_output, quantize_input


@pytest.mark.parametrize(("values", "wanted"), [((-1, 1), "binary"), ((-64, 64), "binary"), ((-50, 0, 50), "ternary"), (tuple(range(-8, 8)), "int4"), ((-9, 0, 3), "int8")])  # fmt: skip
def test_weights_of_a_layer(writer: Any, values: tuple[int, ...], wanted: str) -> None:
    generator = np.random.default_rng(5)
    weights = generator.choice(np.array(values, np.int8), (6, 4, 3, 3))
    scales = (generator.random(6) + 0.5).astype(np.float32) / max(values) / 20
    bias = writer.dequantize(
        writer.constant(generator.integers(-900, 900, 6).astype(np.int32)),
        scales * np.float32(0.05),
        np.zeros(6, np.int32),
        axis=0,
    )
    value = writer.requantize("x", 0.05, np.uint8(100))
    value = writer.node("Conv", value, writer.weights(weights, scales), bias, pads=[1, 1, 1, 1])
    path = writer.save([1, 4, 8, 8], writer.requantize(value, 0.02, np.uint8(90)))
    graph = import_onnx(path)
    (layer,) = graph.nodes
    assert isinstance(layer, Convolution)
    assert layer.weight_format == wanted
    assert isinstance(layer.requantization, GainRequantization) == (wanted in ("binary", "ternary") and max(values) > 1)
    golden = golden_network(graph)
    x = generator.normal(size=(4, 4, 8, 8)).astype(np.float32) * 3
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    expected = np.concatenate([session.run(None, {"x": sample[None]})[0] for sample in x])
    np.testing.assert_array_equal(model_output(graph, golden.run(quantize_input(graph, x))[graph.output]), expected)
