"""ONNX Runtime as the judge of the golden model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..compiler.graph import Graph, Tensor

__all__ = ["OnnxReference", "integer_map"]


class OnnxReference:
    """Runs a model, and its beginnings, in ONNX Runtime with its default optimizations.

    Parameters
    ----------
    path : Path
        The ONNX model.
    graph : Graph
        The integer graph imported from it.
    """

    name = "ONNX Runtime"

    def __init__(self, path: Path, graph: Graph) -> None:
        self._model = onnx.load(str(path))
        self._graph = graph
        # Quantizers leave the shapes out, but the extraction of a part asks for the type of its output.
        known = {info.name for info in (*self._model.graph.value_info, *self._model.graph.output)}
        for node in self._model.graph.node:
            if node.op_type == "DequantizeLinear" and node.output[0] not in known:
                info = onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None)
                self._model.graph.value_info.append(info)
        self._sessions: dict[str, Any] = {}

    def _session(self, model: onnx.ModelProto, key: str) -> Any:
        import onnxruntime

        if key not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            options.intra_op_num_threads = 1
            if any(tensor.format == "int4" for tensor in self._graph.tensors.values()):
                # Its optimizations make operators of 4-bit integers that it does not have (MaxPool).
                options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            self._sessions[key] = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[key]

    def _run(self, session: Any, inputs: NDArray[Any]) -> NDArray[Any]:
        name = session.get_inputs()[0].name
        return np.concatenate([session.run(None, {name: inputs[k : k + 1]})[0] for k in range(len(inputs))])

    def outputs(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """The model's output for a batch of inputs, run one by one."""
        return self._run(self._session(self._model, ""), inputs)

    def map(self, tensor: str, inputs: NDArray[Any]) -> NDArray[np.int8] | None:
        """A map of the integer graph, (batch, height, width, channels), as ONNX Runtime computes it; None if the model
        has no DequantizeLinear of it.

        The model is cut behind that node: an integer tensor as an extra output would keep ONNX Runtime from fusing the
        layer into the integer kernel that it otherwise uses.
        """
        described = self._graph.tensors[tensor]
        reader = next(
            (
                node
                for node in self._model.graph.node
                if node.op_type == "DequantizeLinear" and node.input[0] == described.reference
            ),
            None,
        )
        if reader is None or not described.reference or len(described.reference_shape) not in (2, 3, 4):
            return None
        if tensor not in self._sessions:
            name = self._model.graph.input[0].name
            part = onnx.utils.Extractor(self._model).extract_model([name], [reader.output[0]])
            self._session(part, tensor)
        real = self._run(self._sessions[tensor], inputs)
        return integer_map(real, described)


def integer_map(real: NDArray[Any], described: Tensor) -> NDArray[np.int8] | None:
    """A batch of an ONNX model's real numbers as maps of the integer graph; None for a vector that the graph holds as a map."""
    integers = np.rint(real / np.float32(described.scale)).astype(np.int64) + described.zero_point
    height, width, channels = described.shape
    spatial = len(described.reference_shape) > 2
    if spatial and described.transposed:
        integers = integers.reshape(len(real), channels, width, height).transpose(0, 3, 2, 1)
    elif spatial:
        integers = integers.reshape(len(real), channels, height, width).transpose(0, 2, 3, 1)
    elif height * width > 1:
        return None
    else:
        integers = integers.reshape(len(real), 1, 1, channels)
    return integers.astype(np.int8)
