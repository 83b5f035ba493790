"""Models that come with stored outputs: packed with xz, and what their file does not say about the input."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from macaw.compiler.onnx_import import import_onnx
from macaw.hw.errors import UserError
from macaw.scripts.staged_data import find_models, load_staged, model_name, unpacked


@pytest.fixture
def packed(tmp_path: Path) -> Any:
    """Writes NAME.onnx.xz, signs of the sums of six integers, and NAME_real_ref.npz."""

    def write(integers: list[int]) -> Path:
        nodes = [
            helper.make_node("MatMul", ["x", "w"], ["sums"], "product"),
            helper.make_node("BipolarQuant", ["sums", "one"], ["y"], "signs", domain="qonnx.custom_op.general"),
        ]
        weights = np.where(np.arange(18) % 4 == 0, 1, -1).reshape(6, 3).astype(np.float32)
        graph = helper.make_graph(
            nodes,
            "packed",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 6])],
            [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3])],
            [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.float32(1), "one")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        path = tmp_path / "signs.onnx.xz"
        path.write_bytes(lzma.compress(model.SerializeToString()))
        values = np.resize(np.array(integers, np.int8), (4, 6))
        outputs = np.where(values @ weights >= 0, 1, -1).astype(np.int32)
        np.savez(tmp_path / "signs_real_ref.npz", inputs_int8=values, out_qonnx=outputs)
        return path

    return write


@pytest.mark.parametrize(("integers", "stored"), [([1, -1, -1, 1, 1], "binary"), ([3, -1, 0, 100, -128], "int8")])
def test_packed_model(packed: Any, tmp_path: Path, integers: list[int], stored: str) -> None:
    """The staged integers say what the input can hold, where the file does not."""
    path = packed(integers)
    assert find_models([tmp_path]) == [path] and model_name(path) == "signs"
    source = unpacked(path, tmp_path)
    assert source == tmp_path / "signs.onnx" and unpacked(source, tmp_path) == source
    graph = import_onnx(source)
    assert graph.tensors[graph.input].format == stored
    inputs, reference = load_staged(path, graph)
    assert inputs.values.dtype == np.float32 and reference.name == "qonnx's executor, stored"
    assert reference.outputs(inputs.values).shape == (4, 3)


def test_file_that_cannot_be_unpacked(packed: Any, tmp_path: Path) -> None:
    path = packed([1])
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="signs.onnx.xz cannot be unpacked as an ONNX model"):
        unpacked(path, tmp_path)
