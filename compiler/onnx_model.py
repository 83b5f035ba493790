"""An ONNX file, read and checked: nodes in order, constants as arrays, the type and shape of every tensor."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from ..hw.errors import UserError

__all__ = ["LARGEST_MAP", "QONNX", "OnnxModel", "OnnxNode", "TensorType", "load_onnx"]

LARGEST_MAP = 2**22
"""Elements of a map, and of the tables that belong to one: more than the memory of any board holds."""

QONNX = "qonnx.custom_op.general"
"""The domain that QONNX's operators have in an :class:`OnnxModel`."""

QONNX_OPERATORS = {"Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold"}

SIZE_LIMIT = 2**31
"""Bytes of a model and its external data that are read; protobuf allows no larger file either."""


@dataclass(frozen=True)
class TensorType:
    """Element type (an ``onnx.TensorProto`` constant, 0 if unknown) and shape: None for an unknown or symbolic extent,
    and a shape of None if not even the rank is known."""

    element: int
    shape: tuple[int | None, ...] | None

    @property
    def static(self) -> tuple[int, ...] | None:
        """The shape if it is fully known."""
        if self.shape is None or any(extent is None for extent in self.shape):
            return None
        return tuple(extent for extent in self.shape if extent is not None)

    @property
    def element_name(self) -> str:
        """The element type as it is written in messages: "float32", "uint8"."""
        name = TensorProto.DataType.Name(self.element).lower()
        return {"float": "float32", "double": "float64", "undefined": "of unknown type"}.get(name, name)

    def __str__(self) -> str:
        if self.shape is None:
            return "?"
        return "x".join("?" if extent is None else str(extent) for extent in self.shape) or "scalar"


@dataclass(frozen=True)
class OnnxNode:
    """A node: ``operator`` without domain; absent optional inputs are "". ``attributes`` are plain Python values."""

    name: str
    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(hash=False)

    def input(self, index: int) -> str:
        """The name of an input, "" if it is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""


@dataclass(frozen=True)
class OnnxModel:
    """A checked model. ``inputs`` and ``outputs`` are tensor names; ``uses`` counts consumers, graph outputs included.
    ``datatypes``: annotated types of tensors by name ("INT8", "BIPOLAR"), as FINN and QONNX write them (finn_datatype)."""

    name: str
    source: str
    opset: int
    nodes: tuple[OnnxNode, ...]
    constants: dict[str, NDArray[Any]]
    types: dict[str, TensorType]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    uses: Counter[str]
    datatypes: dict[str, str] = field(default_factory=dict)

    def type(self, name: str) -> TensorType:
        """The type of a tensor, unknown if inference did not reach it."""
        return self.types.get(name, TensorType(0, None))


def load_onnx(path: str | Path) -> OnnxModel:
    """Read an ONNX file, its external data included, check it and infer all shapes with a batch of 1.

    Raises UserError with one sentence for a file that is absent, too large, not ONNX, or whose external data lies
    outside its folder.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no ONNX file {path}.")
    if path.stat().st_size > SIZE_LIMIT:
        raise UserError(f"{path} has {path.stat().st_size} bytes; models of more than 2 GiB are not read.")
    try:
        proto = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # DecodeError of protobuf (which has no types), or what else broken bytes cause
        raise UserError(f"{path} is not an ONNX file: it cannot be parsed as an ONNX model.") from error
    if not proto.graph.node or not proto.graph.output:
        raise UserError(f"{path} is not an ONNX model with a graph: it has no nodes or no outputs.")
    _load_external_data(proto, path)
    _name_qonnx(proto)
    try:
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, ValueError) as error:  # ValueError: names that are not UTF-8
        raise UserError(f"{path} is not a valid ONNX model: {_in_one_line(error)}") from error
    constants = _constants(proto, path)
    _fix_batch(proto, constants)
    try:
        proto = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError) as error:
        raise UserError(f"{path}: the shapes of the model contradict each other: {_in_one_line(error)}") from error
    return _build(proto, constants, path)


def _name_qonnx(proto: onnx.ModelProto) -> None:
    """QONNX's operators in one domain: exporters write several, or none, and leave out the import that ONNX asks for."""
    found = False
    for node in proto.graph.node:
        if node.op_type in QONNX_OPERATORS and (
            node.domain in ("", "onnx.brevitas") or node.domain.startswith(("qonnx.", "finn."))
        ):
            node.domain, found = QONNX, True
    if found and not any(entry.domain == QONNX for entry in proto.opset_import):
        proto.opset_import.append(onnx.helper.make_opsetid(QONNX, 1))


def _in_one_line(error: Exception) -> str:
    """What ONNX says, which breaks lines inside of sentences, with the place that it names behind."""
    text, _, context = str(error).partition("==> Context:")
    said, place = (" ".join(part.split()).rstrip(".") for part in (text, context))
    return f"{said or type(error).__name__}{f' ({place})' if place else ''}."[:600]


def _load_external_data(proto: onnx.ModelProto, path: Path) -> None:
    folder = path.parent.resolve()
    total = path.stat().st_size
    external = [tensor for tensor in _tensors(proto) if tensor.data_location == TensorProto.EXTERNAL]
    for location in {_location(tensor) for tensor in external}:
        try:
            file = (folder / location).resolve()
            inside, present = file.is_relative_to(folder) and file != folder, file.is_file()
        except (OSError, ValueError) as error:  # a name that is too long, or no name at all
            raise UserError(f"{path} keeps tensor data in a file that cannot be named: {_in_one_line(error)}") from error
        if not location or Path(location).is_absolute() or not inside:
            raise UserError(
                f"{path} keeps tensor data in {location!r}, outside the model's folder; put the data file beside the model."
            )
        if not present:
            raise UserError(f"{path} keeps tensor data in {location!r}, but there is no such file beside the model.")
        total += file.stat().st_size
    if total > SIZE_LIMIT:
        raise UserError(f"{path} and its data files have {total} bytes; models of more than 2 GiB are not read.")
    for tensor in external:
        try:
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(folder))
        except Exception as error:  # the checks above leave truncated files and bad offsets: onnx's own errors
            raise UserError(
                f"{path}: the data of tensor {tensor.name!r} cannot be read: {_in_one_line(error)}"
            ) from error
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _location(tensor: onnx.TensorProto) -> str:
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def _tensors(proto: onnx.ModelProto) -> list[onnx.TensorProto]:
    attributes = [attribute for node in proto.graph.node for attribute in node.attribute]
    values = [attribute.t for attribute in attributes if attribute.type == onnx.AttributeProto.TENSOR]
    return [*proto.graph.initializer, *values]


def _constants(proto: onnx.ModelProto, path: Path) -> dict[str, NDArray[Any]]:
    constants: dict[str, NDArray[Any]] = {}
    try:
        for tensor in proto.graph.initializer:
            constants[tensor.name] = numpy_helper.to_array(tensor)
        for node in proto.graph.node:
            if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
                constants[node.output[0]] = _constant_value(node)
    except (ValueError, TypeError, KeyError) as error:  # KeyError: an unknown element type
        raise UserError(f"{path}: a constant of the model cannot be read: {_in_one_line(error)}") from error
    return constants


def _constant_value(node: onnx.NodeProto) -> NDArray[Any]:
    attribute = node.attribute[0]
    value = onnx.helper.get_attribute_value(attribute)
    if attribute.name == "value":
        return numpy_helper.to_array(value)
    if attribute.name in ("value_float", "value_floats"):
        return np.asarray(value, np.float32)
    if attribute.name in ("value_int", "value_ints"):
        return np.asarray(value, np.int64)
    raise ValueError(f"Constant {node.name!r} holds {attribute.name}, not numbers")


def _fix_batch(proto: onnx.ModelProto, constants: dict[str, NDArray[Any]]) -> None:
    """A symbolic first extent of an input becomes 1; shapes that were stored with the symbol are inferred again."""
    symbolic = False
    for info in proto.graph.input:
        extents = info.type.tensor_type.shape.dim
        if info.name not in constants and extents and not extents[0].HasField("dim_value"):
            extents[0].dim_value = 1
            symbolic = True
    if not symbolic:
        return
    del proto.graph.value_info[:]
    for info in proto.graph.output:
        for extent in info.type.tensor_type.shape.dim:
            if not extent.HasField("dim_value"):
                extent.Clear()


def _build(proto: onnx.ModelProto, constants: dict[str, NDArray[Any]], path: Path) -> OnnxModel:
    graph = proto.graph
    types: dict[str, TensorType] = {}
    for info in (*graph.value_info, *graph.input, *graph.output):
        tensor = info.type.tensor_type
        shape = None
        if tensor.HasField("shape"):
            shape = tuple(
                extent.dim_value if extent.HasField("dim_value") and extent.dim_value >= 0 else None
                for extent in tensor.shape.dim
            )
        types[info.name] = TensorType(tensor.elem_type, shape)
    for name, array in constants.items():
        types[name] = TensorType(onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
    taken: set[str] = set()
    nodes = []
    for index, node in enumerate(graph.node):
        name = node.name or f"{node.op_type}_{index}"
        if name in taken:
            name = f"{name}_{index}"
        taken.add(name)
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        domain = "" if node.domain == "ai.onnx" else node.domain
        nodes.append(OnnxNode(name, node.op_type, domain, tuple(node.input), tuple(node.output), attributes))
    outputs = tuple(info.name for info in graph.output)
    return OnnxModel(
        name=graph.name or path.stem,
        source=path.name,
        opset=max((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), default=1),
        nodes=tuple(nodes),
        constants=constants,
        types=types,
        inputs=tuple(info.name for info in graph.input if info.name not in constants),
        outputs=outputs,
        uses=Counter([name for node in nodes for name in node.inputs] + list(outputs)),
        datatypes={
            annotation.tensor_name: entry.value
            for annotation in graph.quantization_annotation
            for entry in annotation.quant_parameter_tensor_names
            if entry.key == "finn_datatype"
        },
    )
