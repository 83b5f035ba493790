"""Models that come with inputs and the outputs of their reference interpreter: NAME.tflite or NAME.onnx, and NAME_ref.npz."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler.graph import Graph
from ..compiler.model_import import is_tflite
from ..hw.errors import UserError
from ..sim.reference import Reference
from .inputs import Inputs

__all__ = ["StagedReference", "find_models", "load_staged"]

_OUTPUTS = {True: ("out_tflm", "TensorFlow Lite Micro"), False: ("out_ort", "ONNX Runtime")}
_SUFFIXES = (".tflite", ".onnx")

_KEYWORD_FEATURES = (0.5847029089927673, 83)
"""Scale and zero point of MLPerf Tiny's int8 keyword features, for models that take them as real numbers."""


def find_models(paths: Iterable[Path]) -> list[Path]:
    """The models named, and those in the folders named that have a reference file beside them. Raises UserError."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            models = sorted(item for item in path.iterdir() if item.suffix in _SUFFIXES and _reference(item).is_file())
            if not models:
                raise UserError(f"{path} holds no model NAME.tflite or NAME.onnx with a NAME_ref.npz beside it.")
            found += models
        elif not path.is_file():
            raise UserError(f"The model {path} does not exist.")
        elif not _reference(path).is_file():
            raise UserError(f"{path.name} has no reference outputs: {_reference(path)} does not exist.")
        else:
            found.append(path)
    return found


def _reference(model: Path) -> Path:
    return model.with_name(f"{model.stem}_ref.npz")


@dataclass(frozen=True)
class StagedReference:
    """Outputs that the interpreter gave on another machine; maps are those of the interpreter here, if there is one."""

    name: str
    stored: dict[bytes, NDArray[Any]]
    interpreter: Reference | None = None

    def outputs(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """The stored output of each input, which must be one of the stored ones."""
        return np.stack([self.stored[np.ascontiguousarray(x).tobytes()] for x in inputs])

    def map(self, tensor: str, inputs: NDArray[Any]) -> NDArray[np.int8] | None:
        """See Reference."""
        return None if self.interpreter is None else self.interpreter.map(tensor, inputs)


def load_staged(model: Path, graph: Graph) -> tuple[Inputs, StagedReference]:
    """All inputs staged for ``model`` in the form that it takes, with labels where there are any, and their reference.

    Arrays of the file: ``inputs``, or ``inputs_u8`` (int8 models: minus 128), or ``inputs_int8`` (keyword features of a model
    that takes real numbers); ``out_tflm`` or ``out_ort``; ``labels`` if known. Raises UserError.
    """
    path = _reference(model)
    key, name = _OUTPUTS[is_tflite(model)]
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {item: archive[item] for item in archive.files if not item.startswith("mid_")}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read as an .npz archive.") from error
    values = _inputs(arrays, graph)
    if values is None or key not in arrays:
        raise UserError(f"{path} needs an array of inputs and one {key!r}; it has {', '.join(sorted(arrays)) or 'none'}.")
    if len(arrays[key]) != len(values) or values[0].size != int(np.prod(graph.input_shape[1:])):
        raise UserError(f"The inputs in {path}, {values.shape}, do not fit its outputs, {arrays[key].shape}, or the model.")
    values = values.reshape(len(values), *graph.input_shape[1:])
    wanted = arrays[key].reshape(len(values), *graph.output_shape[1:])
    labels = arrays.get("labels")
    inputs = Inputs(values, None if labels is None else labels.astype(np.int64))
    stored = {np.ascontiguousarray(x).tobytes(): y for x, y in zip(values, wanted, strict=True)}
    return inputs, StagedReference(f"{name}, stored", stored)


def _inputs(arrays: dict[str, NDArray[Any]], graph: Graph) -> NDArray[Any] | None:
    unsigned = graph.tensors[graph.input].unsigned
    if "inputs" in arrays:
        return arrays["inputs"]
    if "inputs_u8" in arrays:
        values = arrays["inputs_u8"]
        return values if unsigned else (values.astype(np.int16) - 128).astype(np.int8)
    if "inputs_int8" in arrays and graph.input_float:
        scale, zero_point = _KEYWORD_FEATURES
        return (arrays["inputs_int8"].astype(np.float32) - zero_point) * np.float32(scale)
    return None
