"""For all tests: a writer of small TensorFlow Lite models."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
import tflite

# A shell that starts the tests in the background makes them ignore Ctrl-C, and so would all that they start: tests that
# interrupt a process would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

TENSOR_TYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "int16": tflite.TensorType.INT16,
    "int32": tflite.TensorType.INT32,
    "int64": tflite.TensorType.INT64,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
}


class TfliteWriter:
    """Tensors and operators are added one by one; tensors are numbers. Tensor 0 is the model's input, the last operator's
    output the model's output, unless :meth:`content` is told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tensors: list[dict[str, Any]] = []
        self.operators: list[dict[str, Any]] = []

    def tensor(
        self,
        shape: Any,
        kind: str = "int8",
        scale: Any = None,
        zero_point: Any = 0,
        data: bytes | None = None,
        axis: int = 0,
        **more: Any,
    ) -> int:
        """A tensor; ``scale`` may be a sequence, one for each index of ``axis``. ``more``: name, signature, buffer, variable."""
        scales = None if scale is None else np.atleast_1d(np.asarray(scale, np.float32))
        zeros = None if scales is None else np.broadcast_to(np.asarray(zero_point, np.int64), scales.shape)
        described = {"shape": list(shape), "kind": kind, "scales": scales, "zeros": zeros, "data": data, "axis": axis}
        self.tensors.append({"name": f"t{len(self.tensors)}"} | described | more)
        return len(self.tensors) - 1

    def constant(self, array: Any, scale: Any = None, zero_point: Any = 0, axis: int = 0, **more: Any) -> int:
        """A constant tensor."""
        array = np.asarray(array)
        return self.tensor(array.shape, str(array.dtype), scale, zero_point, array.tobytes(), axis, **more)

    def operator(self, kind: str, inputs: Any, outputs: Any, options: str = "", **fields: Any) -> None:
        """An operator; "CUSTOM name" is a custom one. ``options`` names the table of the schema that has ``fields``."""
        self.operators.append(
            {"kind": kind, "inputs": list(inputs), "outputs": list(outputs), "options": options, "fields": fields}
        )

    def save(self, **changes: Any) -> Path:
        """Write the file ``model.tflite``."""
        path = self.folder / "model.tflite"
        path.write_bytes(self.content(**changes))
        return path

    def content(
        self,
        inputs: Any = (0,),
        outputs: Any = None,
        subgraphs: int = 1,
        version: int = 3,
        identifier: bytes = b"TFL3",
    ) -> bytes:
        """The file's bytes."""
        self.builder = flatbuffers.Builder(1024)
        buffers = [self._buffer(data) for data in [None, *(tensor["data"] for tensor in self.tensors)]]
        tensors = [self._tensor(number, tensor) for number, tensor in enumerate(self.tensors)]
        kinds = sorted({operator["kind"] for operator in self.operators})
        codes = [self._code(kind) for kind in kinds]
        operators = [self._operator(operator, kinds) for operator in self.operators]
        outputs = self.operators[-1]["outputs"] if outputs is None else outputs
        parts = {
            "Tensors": self._vector("SubGraph", "Tensors", tensors, "UOffsetTRelative"),
            "Operators": self._vector("SubGraph", "Operators", operators, "UOffsetTRelative"),
            "Inputs": self._vector("SubGraph", "Inputs", inputs, "Int32"),
            "Outputs": self._vector("SubGraph", "Outputs", outputs, "Int32"),
        }
        graphs = [self._table("SubGraph", parts) for _ in range(subgraphs)]
        model = {
            "Version": version,
            "Subgraphs": self._vector("Model", "Subgraphs", graphs, "UOffsetTRelative"),
            "OperatorCodes": self._vector("Model", "OperatorCodes", codes, "UOffsetTRelative"),
            "Buffers": self._vector("Model", "Buffers", buffers, "UOffsetTRelative"),
        }
        self.builder.Finish(self._table("Model", model), identifier)
        return bytes(self.builder.Output())

    def _vector(self, table: str, name: str, values: Any, kind: str) -> int:
        values = list(values)
        getattr(tflite, f"{table}Start{name}Vector")(self.builder, len(values))
        for value in reversed(values):
            getattr(self.builder, f"Prepend{kind}")(value)
        return int(self.builder.EndVector())

    def _table(self, table: str, fields: dict[str, Any]) -> int:
        fields = {
            name: self._vector(table, name, value, "Int32") if isinstance(value, list) else value
            for name, value in fields.items()
        }
        getattr(tflite, f"{table}Start")(self.builder)
        for name, value in fields.items():
            if value is not None:
                getattr(tflite, f"{table}Add{name}")(self.builder, value)
        return int(getattr(tflite, f"{table}End")(self.builder))

    def _buffer(self, data: bytes | None) -> int:
        return self._table("Buffer", {"Data": None if data is None else self.builder.CreateByteVector(data)})

    def _tensor(self, number: int, tensor: dict[str, Any]) -> int:
        quantization = None
        if tensor["scales"] is not None:
            parts = {
                "Scale": self._vector("QuantizationParameters", "Scale", tensor["scales"].tolist(), "Float32"),
                "ZeroPoint": self._vector("QuantizationParameters", "ZeroPoint", tensor["zeros"].tolist(), "Int64"),
                "QuantizedDimension": tensor["axis"],
            }
            quantization = self._table("QuantizationParameters", parts)
        signature = tensor.get("signature")
        fields = {
            "Name": self.builder.CreateString(tensor["name"]),
            "Shape": self._vector("Tensor", "Shape", tensor["shape"], "Int32"),
            "ShapeSignature": signature and self._vector("Tensor", "ShapeSignature", signature, "Int32"),
            "HasRank": True,
            "Type": TENSOR_TYPES[tensor["kind"]],
            "Buffer": tensor.get("buffer", 0 if tensor["data"] is None else number + 1),
            "Quantization": quantization,
            "IsVariable": tensor.get("variable", False),
        }
        return self._table("Tensor", fields)

    def _code(self, kind: str) -> int:
        builtin, _, custom = kind.partition(" ")
        code = getattr(tflite.BuiltinOperator, builtin)
        fields = {
            "CustomCode": self.builder.CreateString(custom) if custom else None,
            "DeprecatedBuiltinCode": min(code, 127),
            "BuiltinCode": code,
            "Version": 1,
        }
        return self._table("OperatorCode", fields)

    def _operator(self, operator: dict[str, Any], kinds: list[str]) -> int:
        options = operator["options"]
        fields = {
            "OpcodeIndex": kinds.index(operator["kind"]),
            "Inputs": self._vector("Operator", "Inputs", operator["inputs"], "Int32"),
            "Outputs": self._vector("Operator", "Outputs", operator["outputs"], "Int32"),
            "BuiltinOptionsType": getattr(tflite.BuiltinOptions, options) if options else None,
            "BuiltinOptions": self._table(options, operator["fields"]) if options else None,
        }
        return self._table("Operator", fields)


@pytest.fixture
def tflite_writer(tmp_path: Path) -> TfliteWriter:
    return TfliteWriter(tmp_path)
