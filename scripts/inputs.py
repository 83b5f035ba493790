"""Inputs of a network from an .npz file, checked against the model."""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler.graph import Graph
from ..hw.errors import UserError
from ..hw.formats import FORMATS

__all__ = ["Inputs", "load_inputs", "random_inputs"]


_UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, TypeError, SyntaxError, OverflowError, RecursionError, NotImplementedError,
    RuntimeError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, MemoryError,
)  # fmt: skip
"""What numpy and zipfile raise for damaged archives."""

BYTES_LIMIT = 1 << 31
"""Of an array: a few kilobytes of an archive can claim, or even unpack to, any number of them."""


@dataclass(frozen=True)
class Inputs:
    """A batch of the model's inputs, and the right class of each where it is known."""

    values: NDArray[Any]
    labels: NDArray[np.int64] | None = None

    def first(self, count: int) -> Inputs:
        """The first ``count`` of them."""
        return Inputs(self.values[:count], None if self.labels is None else self.labels[:count])

    def accuracy(self, outputs: NDArray[Any]) -> float | None:
        """Share of ``outputs`` (scores of classes, or class numbers) that name the right class; None without labels."""
        if self.labels is None:
            return None
        flat = outputs.reshape(len(outputs), -1)
        classes = flat.argmax(1) if flat.shape[1] > 1 else flat[:, 0]
        return float((classes == self.labels).mean())


def _wanted(graph: Graph) -> tuple[np.dtype[Any], tuple[int, ...]]:
    if graph.input_float:
        return np.dtype(np.float32), tuple(graph.input_shape[1:])
    unsigned = graph.tensors[graph.input].unsigned
    return np.dtype(np.uint8 if unsigned else np.int8), tuple(graph.input_shape[1:])


def _described(archive: np.lib.npyio.NpzFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array as its header says; its numbers are not read. Raises ValueError for no such header."""
    if archive.zip is None:
        raise ValueError("the archive is closed")
    with archive.zip.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"a header of version {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        return shape, dtype


def load_inputs(path: Path, graph: Graph) -> Inputs:
    """The array named as the model's input or else ``inputs``, shape (batch, ...), and ``labels`` if the file has them.

    Raises UserError for a file that cannot be read and an array of the wrong name, shape or type.
    """
    dtype, shape = _wanted(graph)
    described = f"an array {graph.input_name!r} of {dtype.name} with shape (any, {', '.join(map(str, shape))})"
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise UserError(f"{path} is a single array, not an .npz archive: save {described} with numpy.savez.")
            names = list(archive.files)
            name = graph.input_name if graph.input_name in names else "inputs"
            if name not in names:
                raise UserError(
                    f"{path} has no array {graph.input_name!r} (it has {', '.join(map(repr, names)) or 'none'}): save {described}."
                )
            found, kind = _described(archive, name)
            if kind != dtype:
                raise UserError(f"The array {name!r} of {path} is {kind.name}; the model takes {dtype.name}.")
            if found[1:] != shape or not found or not found[0]:
                raise UserError(
                    f"The array {name!r} of {path} has shape {found}; the model takes {described.split('of ', 1)[1]}."
                )
            sizes = [math.prod(found) * dtype.itemsize]
            if "labels" in names:
                sizes.append(math.prod(_described(archive, "labels")[0]))
            if max(sizes) > BYTES_LIMIT:
                raise UserError(f"{path} holds {max(sizes):,} bytes in an array; split it, at most {BYTES_LIMIT:,} are read at once.")
            values = archive[name]
            labels = archive["labels"] if "labels" in names else None
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"The inputs {path} do not exist: save {described} with numpy.savez.") from error
    except _UNREADABLE as error:
        raise UserError(f"{path} cannot be read as an .npz archive: save {described} with numpy.savez.") from error
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise UserError(f"The array {name!r} of {path} holds numbers that are not finite.")
    if graph.input_members.size and not np.isin(values, graph.input_members).all():
        strange = values[~np.isin(values, graph.input_members)][0]
        low, high = graph.input_members.min(), graph.input_members.max()
        raise UserError(
            f"The array {name!r} of {path} holds {strange:g}; the model says that its input is one of {graph.input_members.size} "
            f"numbers from {low:g} to {high:g}."
        )
    if labels is not None and (labels.shape != (len(values),) or labels.dtype.kind not in "iu"):
        raise UserError(f"The array 'labels' of {path} must hold one integer for each of the {len(values)} inputs.")
    return Inputs(values, None if labels is None else labels.astype(np.int64))


def random_inputs(graph: Graph, count: int, seed: int) -> Inputs:
    """Inputs whose quantized values are uniform over those that the input map can hold, or which are any of those that the
    model allows."""
    generator = np.random.default_rng(seed)
    dtype, shape = _wanted(graph)
    if graph.input_members.size:
        return Inputs(generator.choice(graph.input_members, (count, *shape)))
    stored = FORMATS[graph.tensors[graph.input].format]
    low, high = graph.input_range or (stored.low, stored.high)
    integers = generator.choice([value for value in stored.members if low <= value <= high], (count, *shape))
    if not graph.input_float:
        return Inputs((integers + (128 if dtype == np.uint8 else 0)).astype(dtype))
    tensor = graph.tensors[graph.input]
    return Inputs(((integers - tensor.zero_point) * tensor.scale).astype(np.float32))
