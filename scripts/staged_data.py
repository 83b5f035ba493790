"""Models that come with inputs and the outputs of their reference interpreter: NAME.tflite, NAME.onnx or NAME.onnx.xz, and
NAME_ref.npz or NAME_(any word)_ref.npz."""

from __future__ import annotations

import lzma
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..compiler.graph import Graph
from ..compiler.model_import import is_tflite
from ..hw.errors import UserError
from ..sim.reference import Reference
from .inputs import Inputs

__all__ = ["StagedReference", "find_models", "load_staged", "model_name", "unpacked"]

_SUFFIXES = (".tflite", ".onnx", ".onnx.xz")

_KEYWORD_FEATURES = (0.5847029089927673, 83)
"""Scale and zero point of MLPerf Tiny's int8 keyword features, for models that take them as real numbers."""


def find_models(paths: Iterable[Path]) -> list[Path]:
    """The models named, and those in the folders named that have a reference file beside them. Raises UserError."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            models = sorted(
                item for item in path.iterdir() if item.name.endswith(_SUFFIXES) and _reference(item).is_file()
            )
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


def model_name(model: Path) -> str:
    """The file's name without what tells its format."""
    suffix = next((suffix for suffix in reversed(_SUFFIXES) if model.name.endswith(suffix)), model.suffix)
    return model.name.removesuffix(suffix)


def _reference(model: Path) -> Path:
    name = model_name(model)
    others = sorted(model.parent.glob(f"{name}_*_ref.npz"))
    return others[0] if len(others) == 1 else model.with_name(f"{name}_ref.npz")


def unpacked(model: Path, folder: Path) -> Path:
    """A model as the compiler reads it: itself, or the one in a NAME.onnx.xz, written into ``folder``.

    If its staged inputs are integers and the file does not say which integers its input can be, the copy does, by FINN's
    annotation: BIPOLAR where they are all -1 or 1, else INT8. Raises UserError for a file that cannot be unpacked.
    """
    if model.suffix != ".xz":
        return model
    try:
        proto = onnx.load_from_string(lzma.decompress(model.read_bytes()))
    except (OSError, lzma.LZMAError, EOFError, ValueError) as error:
        raise UserError(f"{model} cannot be unpacked as an ONNX model.") from error
    arrays = _arrays(_reference(model))
    annotated = {annotation.tensor_name for annotation in proto.graph.quantization_annotation}
    if "inputs_int8" in arrays and proto.graph.input[0].name not in annotated:
        datatype = "BIPOLAR" if (np.abs(arrays["inputs_int8"].astype(int)) == 1).all() else "INT8"
        annotation = proto.graph.quantization_annotation.add(tensor_name=proto.graph.input[0].name)
        annotation.quant_parameter_tensor_names.add(key="finn_datatype", value=datatype)
    path = folder / f"{model_name(model)}.onnx"
    onnx.save(proto, path)
    return path


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """What a reference file holds, but for maps inside the model."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {item: archive[item] for item in archive.files if not item.startswith("mid_")}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read as an .npz archive.") from error


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

    Arrays of the file: ``inputs``, or ``inputs_u8`` (int8 models: minus 128), or ``inputs_int8`` (of a model that takes real
    numbers: times ``input_scale``, 1 without; keyword features have a scale and zero point of their own); ``out_tflm``,
    ``out_ort`` or ``out_qonnx``; ``labels`` if known. ``graph`` is imported from :func:`unpacked`'s file. Raises UserError.
    """
    path = _reference(model)
    if graph.qonnx:
        key, name = "out_qonnx", "qonnx's executor"
    elif is_tflite(model):
        key, name = "out_tflm", "TensorFlow Lite Micro"
    else:
        key, name = "out_ort", "ONNX Runtime"
    arrays = _arrays(path)
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
    if "inputs_int8" in arrays and graph.qonnx:
        return arrays["inputs_int8"].astype(np.float32) * np.float32(arrays.get("input_scale", 1))
    if "inputs_int8" in arrays and graph.input_float:
        scale, zero_point = _KEYWORD_FEATURES
        return (arrays["inputs_int8"].astype(np.float32) - zero_point) * np.float32(scale)
    return None
