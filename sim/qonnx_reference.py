"""QONNX models as the qonnx package executes them: every operator by itself in float32, in the order of the file.

Standard operators run in ONNX Runtime, each as a model of its own, QONNX's quantizers by their definition. Nothing is fused and
nothing is shared with the compiler, whose thresholds this judges.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ..compiler.graph import Graph
from .onnx_reference import integer_map

__all__ = ["QonnxReference"]

_ROUNDINGS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "ROUND": np.round,
    "HALF_EVEN": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "DOWN": np.fix,
    "ROUND_TO_ZERO": np.fix,
}


class QonnxReference:
    """Runs a QONNX model operator by operator.

    Parameters
    ----------
    path : Path
        The model.
    graph : Graph
        The integer graph imported from it.
    """

    name = "QONNX, operator by operator"

    def __init__(self, path: Path, graph: Graph) -> None:
        model = onnx.load(str(path))
        self._graph, self._nodes = graph, model.graph.node
        self._output = model.graph.output[0].name
        self._input = graph.input_name
        opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=9)
        self._imports, self._version = [helper.make_opsetid("", opset)], model.ir_version
        self._sessions: dict[int, Any] = {}
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}

    def _standard(self, index: int, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        import onnxruntime

        node = self._nodes[index]
        names = [name for name in node.input if name]
        if index not in self._sessions:
            values = [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
                for name, array in dict(zip(names, inputs, strict=True)).items()
            ]
            results = [onnx.ValueInfoProto(name=name) for name in node.output if name]
            part = helper.make_graph([node], "part", values, results)
            model = helper.make_model(part, opset_imports=self._imports, ir_version=max(self._version, 4))
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            options.intra_op_num_threads = 1
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            self._sessions[index] = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        results = self._sessions[index].run(None, dict(zip(names, inputs, strict=True)))
        return list(results)

    def values(self, x: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Every tensor of the model for one input (batch of 1)."""
        values = {**self._constants, self._input: x}
        for index, node in enumerate(self._nodes):
            if all(name in self._constants for name in node.input) and node.output[0] in self._constants:
                continue
            inputs = [values[name] for name in node.input if name]
            quantizer = _QUANTIZERS.get(node.op_type)
            if quantizer:
                attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
                results = [np.asarray(quantizer(inputs, attributes), np.float32)]
            else:
                results = self._standard(index, inputs)
            values.update(zip((name for name in node.output if name), results, strict=True))
            if all(name in self._constants for name in node.input):
                self._constants.update(zip((name for name in node.output if name), results, strict=True))
        return values

    def outputs(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """The model's output for a batch of inputs, run one by one."""
        return np.concatenate([self.values(inputs[k : k + 1])[self._output] for k in range(len(inputs))])

    def map(self, tensor: str, inputs: NDArray[Any]) -> NDArray[np.int8] | None:
        """A map of the integer graph, (batch, height, width, channels); None if it is no tensor of the model."""
        described = self._graph.tensors[tensor]
        if not described.reference or len(described.reference_shape) not in (2, 3, 4):
            return None
        real = np.concatenate([self.values(inputs[k : k + 1])[described.reference] for k in range(len(inputs))])
        return integer_map(real, described)


def _range(signed: bool, narrow: bool, bits: int) -> tuple[int, int]:
    if signed:
        return -(2 ** (bits - 1)) + int(narrow), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - int(narrow)


def _quant(inputs: list[NDArray[Any]], attributes: dict[str, Any]) -> NDArray[Any]:
    x, scale, zero, bits = inputs
    if int(bits) == 1 and attributes.get("signed", 1):
        return _bipolar([x, scale], attributes)
    low, high = _range(attributes.get("signed", 1), attributes.get("narrow", 1), int(bits))
    steps = np.clip(x / scale + zero.astype(np.float32), low, high)
    rounded = _ROUNDINGS[attributes.get("rounding_mode", b"ROUND").decode().upper()](steps)
    return (rounded - zero.astype(np.float32)) * scale


def _bipolar(inputs: list[NDArray[Any]], attributes: dict[str, Any]) -> NDArray[Any]:
    return np.where(inputs[0] >= 0, np.float32(1), np.float32(-1)) * inputs[1]


def _trunc(inputs: list[NDArray[Any]], attributes: dict[str, Any]) -> NDArray[Any]:
    rounding = _ROUNDINGS[attributes.get("rounding_mode", b"FLOOR").decode().upper()]
    x, scale, zero, bits = inputs[:4]
    steps = np.round(x / scale + zero)
    if len(inputs) < 7:
        return (rounding(steps / np.float32(2.0 ** int(bits - inputs[4]))) - zero) * scale
    divisor = np.float32(2.0 ** np.round(np.log2(inputs[4] / scale)))
    low, high = _range(attributes.get("signed", 1), attributes.get("narrow", 0), int(inputs[6]))
    return (rounding(np.clip(steps / divisor, low, high)) - zero / divisor) * inputs[4]


def _multithreshold(inputs: list[NDArray[Any]], attributes: dict[str, Any]) -> NDArray[Any]:
    x, thresholds = inputs
    table = thresholds.T.reshape(thresholds.shape[1], 1, -1, *(1,) * (x.ndim - 2))
    count = (x[None] >= table).sum(0)
    return attributes.get("out_scale", 1.0) * count + attributes.get("out_bias", 0.0)


_QUANTIZERS = {
    "Quant": _quant,
    "IntQuant": _quant,
    "BipolarQuant": _bipolar,
    "Trunc": _trunc,
    "MultiThreshold": _multithreshold,
}
