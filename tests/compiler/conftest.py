"""Small writers of quantized ONNX and QONNX models, and the references for them."""

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
from macaw.compiler.problem import ModelError
from macaw.compiler.requantize import deviations
from macaw.sim.golden_network import GoldenNetwork, golden_network, model_output, quantize_input
from macaw.sim.qonnx_reference import QonnxReference

QONNX = "qonnx.custom_op.general"

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


class QonnxWriter:
    """Nodes of QONNX on a :class:`ModelWriter`, and the model operator by operator as the reference for them."""

    def __init__(self, base: ModelWriter) -> None:
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

    def annotate(self, tensor: str, datatype: str) -> None:
        """Say which integers a tensor of the last model holds; :meth:`write` saves it."""
        annotation = self.proto.graph.quantization_annotation.add()
        annotation.tensor_name = tensor
        entry = annotation.quant_parameter_tensor_names.add()
        entry.key, entry.value = "finn_datatype", datatype

    @staticmethod
    def golden(graph: Graph) -> GoldenNetwork:
        """The golden network of a graph whose layers are all exact."""
        golden = golden_network(graph)
        assert all(rule.exact for rule in golden.certified.values())
        assert deviations(graph, golden.certified) == graph.deviations
        return golden

    def equals_reference(self, path: Path, inputs: NDArray[np.float32], *, exact: bool = True) -> Graph:
        """The golden network equals the model, operator by operator, on every map that both have and on the output."""
        graph = import_onnx(path)
        reference = QonnxReference(path, graph)
        maps = self.golden(graph).run(quantize_input(graph, inputs))
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

    def refused(self, output: str, *patterns: str, shape: tuple[int, ...] = (1, 12)) -> None:
        """The model that ends with ``output`` is refused with one problem for each pattern."""
        with pytest.raises(ModelError) as info:
            self.load(shape, output)
        lines = str(info.value).splitlines()
        assert len(lines) == len(patterns), lines
        for line, pattern in zip(lines, patterns, strict=True):
            assert pattern in line, line


@pytest.fixture
def qonnx(writer: ModelWriter) -> QonnxWriter:
    return QonnxWriter(writer)
