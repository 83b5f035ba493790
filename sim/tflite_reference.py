"""TensorFlow Lite Micro as the judge of the golden model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler.graph import Graph
from ..compiler.tflite_file import load_tflite

__all__ = ["TfliteReference"]

_ARENA_MARGIN = 1 << 20
_SOFTMAX_CLASSES = 512


class TfliteReference:
    """Runs a model in TensorFlow Lite Micro's reference kernels, with every tensor kept.

    Parameters
    ----------
    path : Path
        The TensorFlow Lite model.
    graph : Graph
        The integer graph imported from it.
    """

    name = "TensorFlow Lite Micro"

    def __init__(self, path: Path, graph: Graph) -> None:
        from tflite_micro import runtime

        model = load_tflite(path)
        self._graph = graph
        self._numbers = {tensor.name: tensor.index for tensor in model.tensors}
        self._shape = model.tensors[model.inputs[0]].shape
        size = path.stat().st_size + 4 * sum(math.prod(tensor.shape) for tensor in model.tensors)
        self._interpreter = runtime.Interpreter.from_file(
            str(path),
            arena_size=2 * size + _ARENA_MARGIN,
            intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
        )

    @staticmethod
    def can_run(graph: Graph) -> bool:
        """Whether the interpreter survives every input: its SOFTMAX ends the process where no class of 512 or more stands out."""
        soft = any(step.kind == "softmax_int8" for step in graph.host_steps)
        return not soft or graph.output_order.size < _SOFTMAX_CLASSES

    def _run(self, x: NDArray[Any]) -> None:
        self._interpreter.set_input(np.ascontiguousarray(x).reshape(self._shape), 0)
        self._interpreter.invoke()

    def outputs(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """The model's output for a batch of inputs, run one by one."""
        results = []
        for x in inputs:
            self._run(x)
            results.append(np.array(self._interpreter.get_output(0)))
        return np.stack(results).reshape(len(inputs), *self._graph.output_shape[1:])

    def map(self, tensor: str, inputs: NDArray[Any]) -> NDArray[np.int8] | None:
        """A map of the integer graph, (batch, height, width, channels), as the interpreter computes it; None if the model
        has no tensor of these values."""
        described = self._graph.tensors[tensor]
        number = self._numbers.get(described.reference)
        if number is None:
            return None
        height, width, channels = described.shape
        results = []
        for x in inputs:
            self._run(x)
            values = np.array(self._interpreter.GetTensor(number, 0)["tensor_data"])
            integers = values.astype(np.int16) - (128 if values.dtype == np.uint8 else 0)
            if described.transposed:
                results.append(integers.reshape(width, height, channels).transpose(1, 0, 2))
            else:
                results.append(integers.reshape(height, width, channels))
        return np.stack(results).astype(np.int8)
