"""The way into the compiler for a model of any supported format: the file's content decides which importer reads it."""

from __future__ import annotations

from pathlib import Path

from ..hw.errors import UserError
from .fixed_point import ROUNDINGS
from .graph import Graph
from .onnx_import import import_onnx
from .tflite_file import has_tflite_identifier
from .tflite_import import import_tflite

__all__ = ["import_model", "is_tflite", "model_rounding"]


def is_tflite(path: Path) -> bool:
    """Whether a file is TensorFlow Lite: by its identifier, or, without a readable one, by its name.

    Raises UserError if there is no such file.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder: name the model's file, ONNX or TensorFlow Lite.")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError as error:
        raise UserError(f"There is no model file {path}.") from error
    except OSError as error:
        raise UserError(f"The model file {path} cannot be read ({error.strerror}).") from error
    return has_tflite_identifier(head) or path.suffix == ".tflite"


def model_rounding(path: Path, rounding: str | None) -> str | None:
    """The rounding that holds for a model: of a TensorFlow Lite model ``rounding``, "tflm" without; of an ONNX model None.

    Raises UserError for one that does not exist or does not belong to the format.
    """
    if rounding is not None and rounding not in ROUNDINGS:
        raise UserError(f"--rounding is {' or '.join(ROUNDINGS)}, not {rounding[:40]!r}.")
    if is_tflite(path):
        return rounding or ROUNDINGS[0]
    if rounding is not None:
        raise UserError(f"--rounding belongs to TensorFlow Lite models; {path} is not one: leave the option out.")
    return None


def import_model(path: str | Path, rounding: str | None = None) -> Graph:
    """Read a quantized ONNX or TensorFlow Lite model into the integer graph.

    ``rounding`` is one of ROUNDINGS (fixed_point.py), for TensorFlow Lite models only. Raises UserError for a file that
    cannot be read, and ModelError with every problem of a model that cannot be built.
    """
    path = Path(path)
    chosen = model_rounding(path, rounding)
    return import_onnx(path) if chosen is None else import_tflite(path, chosen)
