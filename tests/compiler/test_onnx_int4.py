"""QDQ models with INT4 and UINT4: ONNX Runtime computes them in float32, the engine with integers."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from macaw.compiler.graph import Convolution
from macaw.compiler.onnx_import import import_onnx
from macaw.compiler.problem import ModelError
from macaw.sim.golden_network import golden_network, model_output, quantize_input
from macaw.sim.onnx_reference import OnnxReference

KINDS = {"int4": ml_dtypes.int4, "uint4": ml_dtypes.uint4}


@pytest.mark.parametrize("activations", ["int4", "uint4", "uint8"])
@pytest.mark.parametrize("weights", ["int4", "uint4"])
def test_network_of_4_bits(writer: Any, activations: str, weights: str) -> None:
    generator = np.random.default_rng(2)
    zero = {"int4": ml_dtypes.int4(-2), "uint4": ml_dtypes.uint4(6), "uint8": np.uint8(110)}[activations]
    middle = 8 if weights == "uint4" else 0
    scale = 0.11 if activations == "uint8" else 0.9

    def parameters(shape: tuple[int, ...]) -> str:
        integers = generator.integers(middle - 8, middle + 8, shape).astype(KINDS[weights])
        zeros = np.full(shape[0], middle).astype(KINDS[weights])
        return str(writer.dequantize(writer.constant(integers), np.full(shape[0], 0.07131, np.float32), zeros, axis=0))

    value = writer.requantize("x", scale, zero)
    value = writer.node("Conv", value, parameters((6, 3, 3, 3)))
    value = writer.requantize(writer.node("Relu", value), scale, zero)
    value = writer.node("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
    value = writer.node("Flatten", writer.requantize(value, scale, zero))
    value = writer.node("Gemm", value, parameters((5, 54)), transB=1)
    path = writer.save([1, 3, 8, 8], writer.requantize(value, 0.2137, np.uint8(128)), opset=21)
    graph = import_onnx(path)
    formats = {tensor.format for name, tensor in graph.tensors.items() if name != graph.output}
    assert formats == {"int8" if activations == "uint8" else "int4"}
    assert all(node.weight_format == "int4" for node in graph.nodes if isinstance(node, Convolution))
    assert all("no integer kernel for 4 bits" in deviation.reason for deviation in graph.deviations)
    assert len(graph.deviations) == 2
    maps = golden_network(graph)
    x = generator.normal(size=(30, 3, 8, 8)).astype(np.float32) * 4
    output = model_output(graph, maps.run(quantize_input(graph, x))[graph.output])
    wanted = OnnxReference(path, graph).outputs(x)
    steps = np.rint((output - wanted) / np.float32(0.2137))
    assert np.abs(steps).max() <= (10 if activations != "uint8" else 2)  # a step of a 4-bit map is many of the output's
    assert (steps == 0).mean() > 0.99


def test_sums_of_4_bit_maps_are_refused(writer: Any) -> None:
    first, second = (writer.requantize("x", 0.5, ml_dtypes.int4(0)) for _ in range(2))
    y = writer.requantize(writer.node("Add", first, second), 0.5, ml_dtypes.int4(0))
    with pytest.raises(ModelError, match="its output has 4 bits; quantize what is added"):
        writer.load([1, 4, 8, 8], y, opset=21)
