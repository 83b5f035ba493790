"""A TensorFlow Lite file, read and checked: tensors, operators in order, constant buffers. The only reader of flatbuffers.

The schema is that of the `tflite` package. A flatbuffer has no checksum, and any byte may be an offset to anywhere, so
every length is compared with the file before it is believed and every error of the reader ends in one sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from ..hw.errors import UserError

__all__ = ["TfliteModel", "TfliteOperator", "TfliteTensor", "has_tflite_identifier", "load_tflite"]

SIZE_LIMIT = 2**31
"""Bytes of a model that are read; offsets of a flatbuffer allow no more either."""

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
RANK_LIMIT = 8
COUNT_LIMIT = 100_000
"""Tensors, operators or buffers of a model, and inputs of an operator: no real model comes near."""

_CONSTANTS = (tflite.TensorType, tflite.BuiltinOperator, tflite.ActivationFunctionType, tflite.Padding)
_TYPES, _OPERATORS, _ACTIVATIONS, _PADDINGS = (
    {value: name for name, value in vars(enumeration).items() if not name.startswith("_")} for enumeration in _CONSTANTS
)

_OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ADD": ("AddOptions", ("FusedActivationFunction",)),
    "ARG_MAX": ("ArgMaxOptions", ()),
    "AVERAGE_POOL_2D": (
        "Pool2DOptions",
        ("Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth", "FusedActivationFunction"),
    ),
    "CONCATENATION": ("ConcatenationOptions", ("Axis", "FusedActivationFunction")),
    "CONV_2D": (
        "Conv2DOptions",
        ("Padding", "StrideH", "StrideW", "DilationHFactor", "DilationWFactor", "FusedActivationFunction"),
    ),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        (
            "Padding",
            "StrideH",
            "StrideW",
            "DilationHFactor",
            "DilationWFactor",
            "DepthMultiplier",
            "FusedActivationFunction",
        ),
    ),
    "FULLY_CONNECTED": ("FullyConnectedOptions", ("FusedActivationFunction", "WeightsFormat", "KeepNumDims")),
    "MAX_POOL_2D": (
        "Pool2DOptions",
        ("Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth", "FusedActivationFunction"),
    ),
    "MEAN": ("ReducerOptions", ("KeepDims",)),
    "MUL": ("MulOptions", ("FusedActivationFunction",)),
    "PACK": ("PackOptions", ("Axis",)),
    "SOFTMAX": ("SoftmaxOptions", ("Beta",)),
    "STRIDED_SLICE": ("StridedSliceOptions", ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask")),
}
"""For each operator the table of its options in the schema and the fields that are read from it."""


@dataclass(frozen=True)
class TfliteTensor:
    """A tensor as the file describes it.

    ``kind`` is the schema's name of the element type in small letters ("int8", "float32"). ``signature`` has -1 where the
    extent is dynamic, else it is ``shape``. ``scales`` and ``zero_points`` are empty without quantization, ``axis`` is their
    dimension if they have several entries. ``buffer`` holds the bytes of a constant, else None.
    """

    index: int
    name: str
    kind: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    scales: NDArray[np.float32] = field(hash=False, compare=False)
    zero_points: NDArray[np.int64] = field(hash=False, compare=False)
    axis: int
    buffer: bytes | None = field(repr=False)
    variable: bool = False
    sparse: bool = False

    @property
    def dynamic(self) -> bool:
        """Whether an extent other than the batch is not known."""
        return -1 in self.signature[1:] or any(extent < 1 for extent in self.shape)

    @property
    def shape_text(self) -> str:
        """The shape as it is written in messages."""
        extents = self.shape if len(self.signature) != len(self.shape) else zip(self.signature, self.shape, strict=True)
        texts = [
            str(extent) if isinstance(extent, int) else "?" if extent[0] == -1 and extent[1] != 1 else str(extent[1])
            for extent in extents
        ]
        return "x".join(texts) or "scalar"


@dataclass(frozen=True)
class TfliteOperator:
    """An operator. ``name`` is its place and the first part of its output's name; absent optional inputs are -1.

    ``options`` has the fields of the schema that the importer reads, enumerations as their names.
    """

    index: int
    name: str
    operator: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(hash=False)

    def input(self, index: int) -> int:
        """Number of an input tensor, -1 if it is absent."""
        return self.inputs[index] if index < len(self.inputs) else -1


@dataclass(frozen=True)
class TfliteModel:
    """A model's first subgraph. Tensor numbers in ``inputs``, ``outputs`` and operators lie in ``tensors``."""

    name: str
    source: str
    subgraphs: int
    tensors: tuple[TfliteTensor, ...]
    operators: tuple[TfliteOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def readers(self, tensor: int) -> list[TfliteOperator]:
        """The operators that read a tensor."""
        return [operator for operator in self.operators if tensor in operator.inputs]


class _Damaged(Exception):
    """The file contradicts itself; the message says where."""


def has_tflite_identifier(head: bytes) -> bool:
    """Whether a file that begins with ``head`` (8 bytes or more) says that it is TensorFlow Lite, schema version 3."""
    return head[4:8] == IDENTIFIER


def load_tflite(path: str | Path) -> TfliteModel:
    """Read a TensorFlow Lite file.

    Raises UserError with one sentence for a file that is absent, too large, of another schema, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no TensorFlow Lite file {path}.")
    if path.stat().st_size > SIZE_LIMIT:
        raise UserError(f"{path} has {path.stat().st_size} bytes; models of more than 2 GiB are not read.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    if not has_tflite_identifier(content):
        raise UserError(f"{path} is not a TensorFlow Lite file: its identifier is not {IDENTIFIER.decode()}.")
    try:
        return _model(content, path)
    except UserError:
        raise
    except _Damaged as error:
        raise UserError(f"{path} is a damaged TensorFlow Lite file: {error}.") from error
    except Exception as error:  # whatever offsets into nowhere cause in the schema's accessors
        raise UserError(
            f"{path} is a damaged TensorFlow Lite file: it ends early or its offsets lead nowhere."
        ) from error


def _model(content: bytes, path: Path) -> TfliteModel:
    model = tflite.Model.GetRootAs(content, 0)
    if model.Version() != SCHEMA_VERSION:
        raise UserError(
            f"{path} has version {model.Version()} of the TensorFlow Lite schema; only version 3 is supported."
        )
    subgraphs = _count(model.SubgraphsLength(), "subgraphs")
    if not subgraphs:
        raise _Damaged("it has no subgraph")
    subgraph = model.Subgraphs(0)
    tensors = _count(subgraph.TensorsLength(), "tensors")
    buffers = _count(model.BuffersLength(), "buffers")
    codes = [
        _operator_name(model.OperatorCodes(i)) for i in range(_count(model.OperatorCodesLength(), "operator codes"))
    ]

    def numbers(count: int, read: Callable[[int], int], what: str, lowest: int = 0) -> tuple[int, ...]:
        found = tuple(int(read(i)) for i in range(_count(count, what)))
        if any(not lowest <= number < tensors for number in found):
            raise _Damaged(f"{what} name a tensor that does not exist")
        return found

    described = _distinct([_tensor(model, content, buffers, subgraph.Tensors(i), i) for i in range(tensors)])
    operators = []
    for index in range(_count(subgraph.OperatorsLength(), "operators")):
        item = subgraph.Operators(index)
        if not 0 <= item.OpcodeIndex() < len(codes):
            raise _Damaged(f"operator {index} has no operator code")
        inputs = numbers(item.InputsLength(), item.Inputs, f"the inputs of operator {index}", -1)
        outputs = numbers(item.OutputsLength(), item.Outputs, f"the outputs of operator {index}")
        kind = codes[item.OpcodeIndex()]
        options = _options(item, kind)
        name = described[outputs[0]].name.partition(";")[0] if outputs else kind
        operators.append(TfliteOperator(index, f"{index}:{name}", kind, inputs, outputs, options))
    if not operators:
        raise _Damaged("it has no operators")
    return TfliteModel(
        name=_text(subgraph.Name()) or path.stem,
        source=path.name,
        subgraphs=subgraphs,
        tensors=described,
        operators=tuple(operators),
        inputs=numbers(subgraph.InputsLength(), subgraph.Inputs, "the model's inputs"),
        outputs=numbers(subgraph.OutputsLength(), subgraph.Outputs, "the model's outputs"),
    )


def _distinct(tensors: list[TfliteTensor]) -> tuple[TfliteTensor, ...]:
    """The tensors with names that occur once."""
    times = Counter(tensor.name for tensor in tensors)
    return tuple(
        tensor if times[tensor.name] == 1 else replace(tensor, name=f"{tensor.name}#{tensor.index}")
        for tensor in tensors
    )


def _count(count: int, what: str, limit: int = COUNT_LIMIT) -> int:
    if not 0 <= count <= limit:
        raise _Damaged(f"it says that it has {count} {what}")
    return int(count)


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")


def _operator_name(code: Any) -> str:
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # old files have only the deprecated field
    name = _OPERATORS.get(number, f"operator code {number}")
    return f"CUSTOM {_text(code.CustomCode()) or 'without a name'}" if name == "CUSTOM" else name


def _array(length: int, read: Callable[[], Any], what: str, kind: Any, limit: int = COUNT_LIMIT) -> NDArray[Any]:
    return np.asarray(read(), kind).ravel() if _count(length, what, limit) else np.zeros(0, kind)


def _tensor(model: Any, content: bytes, buffers: int, tensor: Any, index: int) -> TfliteTensor:
    place = f"of tensor {index}"
    shape = _array(tensor.ShapeLength(), tensor.ShapeAsNumpy, f"extents {place}", np.int64, RANK_LIMIT)
    stated = _array(
        tensor.ShapeSignatureLength(), tensor.ShapeSignatureAsNumpy, f"signature extents {place}", np.int64, RANK_LIMIT
    )
    if (shape < -1).any():
        raise _Damaged(f"an extent {place} is negative")
    scales, zero_points, axis = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    quantization = tensor.Quantization()
    if quantization is not None:
        what = f"of scales or zero points {place}"
        scales = _array(quantization.ScaleLength(), quantization.ScaleAsNumpy, what, np.float32)
        zero_points = _array(quantization.ZeroPointLength(), quantization.ZeroPointAsNumpy, what, np.int64)
        axis = int(quantization.QuantizedDimension())
    kind = _TYPES.get(tensor.Type(), f"type {tensor.Type()}").lower()
    extents = tuple(shape.tolist())
    return TfliteTensor(
        index=index,
        name=_text(tensor.Name()) or f"tensor {index}",
        kind=kind,
        shape=extents,
        signature=tuple(stated.tolist()) if len(stated) == len(shape) else extents,
        scales=scales,
        zero_points=zero_points,
        axis=axis,
        buffer=_buffer(model, content, buffers, tensor.Buffer(), index),
        variable=bool(tensor.IsVariable()),
        sparse=tensor.Sparsity() is not None,
    )


def _buffer(model: Any, content: bytes, buffers: int, number: int, index: int) -> bytes | None:
    """The bytes of a buffer, None if it is empty: a tensor that is computed, not constant."""
    if number == 0:  # by convention the empty buffer
        return None
    if not 0 <= number < buffers:
        raise _Damaged(f"tensor {index} has a buffer that does not exist")
    buffer = model.Buffers(number)
    if buffer is None:
        return None
    if buffer.Size():  # data behind the flatbuffer, in models of more than 2 GiB
        start, size = int(buffer.Offset()), int(buffer.Size())
        if start + size > len(content):
            raise _Damaged(f"the data of tensor {index} lie outside")
        return content[start : start + size]
    length = _count(buffer.DataLength(), f"bytes of data for tensor {index}", len(content))
    return bytes(buffer.DataAsNumpy()) if length else None


def _options(item: Any, kind: str) -> dict[str, Any]:
    """The options of an operator; the schema's defaults where the file has none."""
    if kind not in _OPTIONS:
        return {}
    table, fields = _OPTIONS[kind]
    reader = getattr(tflite, table)()
    stated = item.BuiltinOptionsType()
    source = item.BuiltinOptions()
    if source is None or stated == 0:
        return {}
    if stated != getattr(tflite.BuiltinOptions, table):
        raise _Damaged(f"an operator {kind} has the options of another one")
    reader.Init(source.Bytes, source.Pos)
    values = {name: getattr(reader, name)() for name in fields}
    for name, names in (("FusedActivationFunction", _ACTIVATIONS), ("Padding", _PADDINGS)):
        if name in values:
            values[name] = names.get(values[name], f"number {values[name]}")
    return values
