"""A small writer of quantized ONNX models, and ONNX Runtime as the reference for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from macaw.compiler.graph import Graph
from macaw.compiler.onnx_import import import_onnx

ELEMENTS = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.uint8): TensorProto.UINT8,
    np.dtype(np.int8): TensorProto.INT8,
}


class ModelWriter:
    """Nodes are added one by one; every method returns the name of the output. The input is ``x``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.model: onnx.ModelProto | None = None

    def constant(self, array: Any) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", name: str | None = None, **attributes: Any) -> str:
        output = f"{operator}_{len(self.nodes)}_out"
        name = f"{operator}_{len(self.nodes)}" if name is None else name
        self.nodes.append(helper.make_node(operator, inputs, [output], name=name, domain=domain, **attributes))
        return output

    def quantize(self, x: str, scale: float, zero_point: Any) -> str:
        return self.node("QuantizeLinear", x, self.constant(np.float32(scale)), self.constant(zero_point))

    def dequantize(self, x: str, scale: Any, zero_point: Any, **attributes: Any) -> str:
        scale, zero_point = np.asarray(scale, np.float32), np.asarray(zero_point)
        return self.node("DequantizeLinear", x, self.constant(scale), self.constant(zero_point), **attributes)

    def requantize(self, x: str, scale: float, zero_point: Any) -> str:
        """QuantizeLinear and DequantizeLinear."""
        return self.dequantize(self.quantize(x, scale, zero_point), scale, zero_point)

    def weights(self, array: NDArray[Any], scale: Any, zero_point: int = 0, axis: int = 0) -> str:
        zeros = np.full(np.shape(scale), zero_point, array.dtype)
        return self.dequantize(self.constant(array), scale, zeros, **({"axis": axis} if np.ndim(scale) else {}))

    def save(
        self,
        shape: list[Any],
        output: str,
        kind: Any = np.float32,
        output_kind: Any = np.float32,
        output_shape: Any = None,
        opset: int = 17,
        inputs: int = 1,
    ) -> Path:
        names = ["x", *(f"x{i}" for i in range(1, inputs))]
        graph = helper.make_graph(
            self.nodes,
            "test",
            [helper.make_tensor_value_info(name, ELEMENTS[np.dtype(kind)], shape) for name in names],
            [helper.make_tensor_value_info(output, _element(output_kind), output_shape)],
            self.constants,
        )
        imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=8)
        self.model = model if output_shape else onnx.shape_inference.infer_shapes(model)
        path = self.folder / "model.onnx"
        onnx.save(self.model, path)
        return path

    def load(self, *arguments: Any, **options: Any) -> Graph:
        """Save, then import."""
        return import_onnx(self.save(*arguments, **options))


def _element(kind: Any) -> int:
    return TensorProto.INT64 if kind == np.int64 else ELEMENTS[np.dtype(kind)]


@pytest.fixture
def writer(tmp_path: Path) -> ModelWriter:
    return ModelWriter(tmp_path)
