"""TensorFlow Lite models through the real command: build, verify, run, and what is refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ARRAY = ("--board", "ulx3s-85f", "--array", "1,4,2", "--no-route")


@pytest.fixture
def keywords(tflite_writer: Any) -> Path:
    """A convolution, an average and a softmax over random weights, 1x6x4x2 to three classes."""
    random, writer = np.random.default_rng(5), tflite_writer
    x = writer.tensor((1, 6, 4, 2), scale=0.05, zero_point=-3, name="sound")
    weights = writer.constant(random.integers(-127, 128, (3, 3, 3, 2)).astype(np.int8), [0.01, 0.02, 0.015])
    bias = writer.constant(random.integers(-500, 500, 3).astype(np.int32))
    maps = writer.tensor((1, 6, 4, 3), scale=0.2, zero_point=5)
    options = {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    writer.operator("CONV_2D", [x, weights, bias], [maps], "Conv2DOptions", **options)
    mean = writer.tensor((1, 3), scale=0.1, zero_point=-20)
    writer.operator("MEAN", [maps, writer.constant(np.array([1, 2], np.int32))], [mean], "ReducerOptions")
    y = writer.tensor((1, 3), scale=1 / 256, zero_point=-128)
    writer.operator("SOFTMAX", [mean], [y], "SoftmaxOptions", Beta=1.0)
    path: Path = writer.save()
    return path


@pytest.mark.parametrize("name", ["sound", "inputs"])
def test_build_verify_and_run(macaw: Any, keywords: Path, tmp_path: Path, name: str) -> None:
    folder, archive, saved = tmp_path / "build", tmp_path / "inputs.npz", tmp_path / "outputs.npz"
    values = np.random.default_rng(6).integers(-128, 128, (5, 6, 4, 2)).astype(np.int8)
    arrays: dict[str, Any] = {name: values}
    np.savez(archive, **arrays)
    assert macaw("build", keywords, *ARRAY, "-o", folder).code == 0
    manifest = json.loads((folder / "build.json").read_text())
    assert (manifest["model_copy"], manifest["rounding"], manifest["deviations"]) == ("model.tflite", "tflm", [])
    assert (folder / "model.tflite").read_bytes() == keywords.read_bytes()
    outcome = macaw("verify", folder, "--inputs", archive)
    assert outcome.code == 0, outcome.errors
    result = json.loads((folder / "verify.json").read_text())
    assert result["equal"] and [row["rtl_differences"] for row in result["rows"]] == [0, 0, 0]
    if importlib.util.find_spec("tflite_micro") is None:
        pytest.skip("tflite_micro is not installed")
    assert result["reference"] == "TensorFlow Lite Micro"
    assert [row["reference_differences"] for row in result["rows"]] == [0, 0, 0]
    assert macaw("run", folder, "--simulate", "--inputs", archive, "--save", saved).code == 0
    (outputs,) = np.load(saved).values()
    assert outputs.dtype == np.int8 and outputs.shape == (5, 3)


def test_single_rounding(macaw: Any, keywords: Path, tmp_path: Path) -> None:
    """The build remembers it, and nothing here judges it but the golden model."""
    folder = tmp_path / "build"
    assert macaw("build", keywords, *ARRAY, "--rounding", "single", "-o", folder).code == 0
    assert json.loads((folder / "build.json").read_text())["rounding"] == "single"
    outcome = macaw("verify", folder)
    assert outcome.code == 0, outcome.errors
    result = json.loads((folder / "verify.json").read_text())
    assert result["equal"] and result["reference"] == "" and "--rounding tflm" in outcome.output


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--rounding", "twice"), "--rounding is tflm or single, not 'twice'"),
    ],
)
def test_unknown_rounding(macaw: Any, keywords: Path, tmp_path: Path, words: tuple[str, ...], part: str) -> None:
    macaw("build", keywords, *ARRAY, *words, "-o", tmp_path / "build").refused(2, part)


def test_rounding_of_an_onnx_model(macaw: Any, digits: Path, tmp_path: Path) -> None:
    outcome = macaw("build", digits, *ARRAY, "--rounding", "tflm", "-o", tmp_path / "build")
    outcome.refused(2, "--rounding belongs to TensorFlow Lite models", "leave the option out")


def test_truncated_file(macaw: Any, keywords: Path, tmp_path: Path, looks_complete: Any) -> None:
    for size in (4, 8, 60, 500):
        path = tmp_path / "half.tflite"
        path.write_bytes(keywords.read_bytes()[:size])
        macaw("build", path, *ARRAY, "-o", tmp_path / "build").refused(2, "half.tflite", "TensorFlow Lite file")
    assert not looks_complete(tmp_path / "build")


def test_all_problems_at_once(macaw: Any, tflite_writer: Any, tmp_path: Path, looks_complete: Any) -> None:
    writer = tflite_writer
    x = writer.tensor((1, 4, 4, 2), scale=0.1, name="image")
    for kind in ("SIN", "CUSTOM Magic"):
        y = writer.tensor((1, 4, 4, 2), scale=0.1)
        writer.operator(kind, [x], [y])
    outcome = macaw("build", writer.save(), *ARRAY, "-o", tmp_path / "build")
    outcome.refused(2, "SIN, 1x4x4x2", "CUSTOM Magic, 1x4x4x2", "operator 0: 'image' -> 't1'", "operator 1: 'image' -> 't2'")
    assert not looks_complete(tmp_path / "build")


def test_a_build_without_its_model(macaw: Any, keywords: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    assert macaw("build", keywords, *ARRAY, "-o", folder).code == 0
    manifest = json.loads((folder / "build.json").read_text())
    for change in ({"model_copy": "../model.tflite"}, {"rounding": "twice"}):
        (folder / "build.json").write_text(json.dumps(manifest | change))
        macaw("verify", folder).refused(2, "build.json is damaged: build again")
    (folder / "build.json").write_text(json.dumps(manifest | {"rounding": "single"}))
    macaw("verify", folder).refused(2, "build again")
    (folder / "build.json").write_text(json.dumps(manifest))
    (folder / "model.tflite").unlink()
    macaw("verify", folder).refused(2, "There is no model file")
