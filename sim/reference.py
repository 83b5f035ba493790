"""The reference interpreter of a model as the judge of the golden model: its output, and any map inside it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..compiler.graph import Graph
from ..compiler.model_import import is_tflite
from .onnx_reference import OnnxReference
from .qonnx_reference import QonnxReference
from .tflite_reference import TfliteReference

__all__ = ["Reference", "open_reference", "output_differences"]


class Reference(Protocol):
    """An interpreter with a model in it."""

    @property
    def name(self) -> str:
        """As it is written in reports."""

    def outputs(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """The model's output for a batch of inputs, run one by one."""

    def map(self, tensor: str, inputs: NDArray[Any]) -> NDArray[np.int8] | None:
        """A map of the integer graph, (batch, height, width, channels), as the interpreter computes it; None if it does not
        show it."""


def open_reference(path: Path, graph: Graph, rounding: str | None = None) -> Reference | None:
    """The interpreter that ``graph``, imported from ``path`` with ``rounding``, must equal: ONNX Runtime, for QONNX models
    operator by operator, or TensorFlow Lite Micro. None if it is not installed, if none here rounds that way ("single"), or if it cannot run the model."""
    if is_tflite(path):
        installed = rounding != "single" and importlib.util.find_spec("tflite_micro") is not None
        return TfliteReference(path, graph) if installed and TfliteReference.can_run(graph) else None
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    return QonnxReference(path, graph) if graph.qonnx else OnnxReference(path, graph)


def output_differences(graph: Graph, wanted: NDArray[Any], found: NDArray[Any]) -> int:
    """Elements of the model's output that differ from the reference's.

    A QONNX model whose last layer is not quantized ends in real numbers that the reference sums in float32, in an order of its
    own, where the host scales an exact sum: these are equal within 1e-5 of the largest. All others are compared bit for bit.
    """
    if graph.qonnx and any(step.kind == "sums" for step in graph.host_steps):
        return int((np.abs(wanted - found) > 1e-5 * np.abs(wanted).max(initial=1)).sum())
    return int((wanted != found).sum())
