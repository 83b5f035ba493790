"""Models of few bits that cannot be built, and builds that do not belong to their model: one sentence each, exit code 2."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

QONNX = "qonnx.custom_op.general"

CONSTANTS: dict[str, Any] = {
    "real": np.linspace(-1, 1, 128, dtype=np.float32).reshape(16, 8),
    "signs": np.where(np.arange(128).reshape(16, 8) % 3 == 0, 1, -1).astype(np.float32),
    "nearly signs": np.sign(np.arange(128) - 17).reshape(16, 8).astype(np.float32),
    "scales": np.arange(1, 9, dtype=np.float32),
    "one": np.float32(1),
    "none": np.float32(0),
    "two": np.float32(2),
    "three": np.float32(3),
    "four": np.float32(4),
    "not ascending": np.tile(np.array([-2, 3, 2], np.float32), (8, 1)),
}


def quant(x: str, output: str, bits: str, scale: str = "one", name: str = "") -> onnx.NodeProto:
    """Signed, with a zero point of 0; of two bits -1, 0 and 1."""
    attributes = {"signed": 1, "narrow": int(bits == "two")}
    return helper.make_node("Quant", [x, scale, "none", bits], [output], name or output, domain=QONNX, **attributes)


def bipolar(x: str, output: str) -> onnx.NodeProto:
    return helper.make_node("BipolarQuant", [x, "one"], [output], output, domain=QONNX)


def product(x: str, weights: str, output: str) -> onnx.NodeProto:
    return helper.make_node("MatMul", [x, weights], [output], output)


def thresholds(x: str, table: str, output: str) -> onnx.NodeProto:
    return helper.make_node("MultiThreshold", [x, table], [output], output, domain=QONNX, out_dtype="INT2", out_bias=-2.0)


@pytest.fixture
def save(tmp_path: Path) -> Any:
    """Writes a model from x, 1 x 16, to y; ``datatypes`` annotates tensors."""

    def write(nodes: Sequence[onnx.NodeProto], datatypes: Mapping[str, str] | None = None) -> Path:
        graph = helper.make_graph(
            list(nodes),
            "few",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 16])],
            [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 8])],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in CONSTANTS.items()],
        )
        for tensor, datatype in (datatypes or {}).items():
            annotation = graph.quantization_annotation.add(tensor_name=tensor)
            annotation.quant_parameter_tensor_names.add(key="finn_datatype", value=datatype)
        path = tmp_path / "few.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
        return path

    return write


def test_two_problems(build: Any, save: Any) -> None:
    """A scale for each channel of an activation, and weights that nothing quantizes."""
    nodes = [
        quant("x", "a", "four"), bipolar("signs", "w"), product("a", "w", "b"),
        quant("b", "c", "four", "scales", "scaled"), product("a", "real", "y"),
    ]  # fmt: skip
    build(save(nodes), parts=("'scaled' (Quant", "its activations have 8 scales", "'y' (MatMul", "its weights are not quantized"))


def test_weights_outside_of_the_set_that_they_claim(build: Any, save: Any) -> None:
    nodes = [bipolar("x", "a"), product("a", "nearly signs", "b"), bipolar("b", "y")]
    outcome = build(
        save(nodes, {"nearly signs": "BIPOLAR"}),
        parts=("initializer 'nearly signs' is annotated as BIPOLAR, but holds 0; correct the annotation (finn_datatype)",),
    )
    assert len(outcome.sentence().splitlines()) == 1


def test_thresholds_that_are_not_monotone(build: Any, save: Any) -> None:
    nodes = [bipolar("x", "a"), product("a", "signs", "b"), thresholds("b", "not ascending", "y")]
    build(save(nodes), parts=("'y' (MultiThreshold", "the thresholds of channel 0 are not monotone; sort the thresholds",))


@pytest.mark.parametrize(
    ("quantized", "array", "part"),
    [
        ("binary", "1,4,4", "n = 4 cannot write binary maps: n values of 1 bits must fill whole bytes, so n must be a multiple of 8"),
        ("ternary", "2,4,6", "n = 6 cannot write ternary maps: n values of 2 bits must fill whole bytes, so n must be a multiple of 4"),
        ("int4", "1,4,3", "n = 3 cannot write int4 maps: n values of 4 bits must fill whole bytes, so n must be a multiple of 2"),
    ],
)
def test_lanes_that_fill_no_bytes(build: Any, save: Any, quantized: str, array: str, part: str) -> None:
    last = {"binary": bipolar("b", "y"), "ternary": quant("b", "y", "two", "three"), "int4": quant("b", "y", "four", "three")}
    build(save([bipolar("x", "a"), product("a", "signs", "b"), last[quantized]]), f"--array={array}", parts=(part,))


def test_engine_without_the_formats_of_the_model(macaw: Any, save: Any, small_build: Path, tmp_path: Path) -> None:
    """Another model in the folder of a build whose engine multiplies bytes only."""
    folder = tmp_path / "build"
    shutil.copytree(small_build, folder, ignore=shutil.ignore_patterns("simulation"))
    model = save([quant("x", "a", "four"), bipolar("signs", "w"), product("a", "w", "b"), quant("b", "y", "four", "three")])
    shutil.copyfile(model, folder / "model.onnx")
    macaw("verify", folder).refused(
        2, f"The build in {folder} has another engine than model.onnx needs (it multiplies int8xint8, not int4xint4): build again"
    )
    assert not (folder / "verify.json").exists()
