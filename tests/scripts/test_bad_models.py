"""Models, arrays, boards and clocks that cannot be built: one message, exit code 2, nothing that looks complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_absent_file(build: Any, tmp_path: Path) -> None:
    build(tmp_path / "absent.onnx", parts=("There is no model file", "absent.onnx"))
    build(tmp_path, parts=("There is no model file",))


@pytest.mark.parametrize("content", [b"", b"not a model at all", bytes(range(256)) * 20, b"PK\x03\x04" + bytes(100)])
def test_not_onnx(build: Any, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.onnx"
    path.write_bytes(content)
    build(path, parts=(str(path), "is not an ONNX"))


def test_truncated_file(build: Any, tmp_path: Path, digits: Path) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(digits.read_bytes()[:9000])
    build(path, parts=("half.onnx is not",))


def test_float_model(build: Any, models: Any) -> None:
    build(models.real(), parts=("it is not quantized", "quantize_static"))


def test_all_problems_at_once(build: Any, models: Any) -> None:
    outcome = build(models.strange(), parts=("'wave' (Sin", "'bell' (Erf", "'product' (Mul", "1x4x8x8"))
    problems = [line for line in outcome.sentence().splitlines() if "node " in line]
    assert len(problems) == 3 and all(": " in line and "; " in line for line in problems)


def test_dynamic_shape(build: Any, models: Any) -> None:
    model = models.convolution(inputs=2, outputs=2, size=8, dynamic=True)
    build(model, parts=("input 'x' has the dynamic shape 1x2x?x8", "give every extent but the batch a number"))


def test_weights_do_not_fit(build: Any, models: Any) -> None:
    model = models.convolution(inputs=512, outputs=512, size=1, kernel=1)
    build(
        model,
        board="icebreaker",
        parts=("the weights need", "KiB", "node 'big'", "more than the", "icebreaker", "--board ulx3s-85f"),
    )


def test_maps_do_not_fit(build: Any, models: Any) -> None:
    model = models.convolution(inputs=8, outputs=8, size=64)
    build(
        model,
        board="icebreaker",
        parts=("block RAMs", "more than the 27 of icebreaker", "maps (largest at node 'big'", "--board ulx3s-85f"),
    )


def test_nothing_fits(build: Any, models: Any) -> None:
    model = models.convolution(inputs=16, outputs=16, size=300)
    build(model, parts=("node 'big'", "more than the 65536 that can be addressed", "use a smaller network"))


@pytest.mark.parametrize(
    ("array", "part"),
    [
        ("0,8,4", "each from 1 to 64; p is 0"),
        ("4,0,4", "each from 1 to 64; m is 0"),
        ("4,8,0", "each from 1 to 64; n is 0"),
        ("65,8,4", "each from 1 to 64; p is 65"),
        ("4,8", "as in 4,8,4, not '4,8'"),
        ("4,8,4,1", "not '4,8,4,1'"),
        ("abc", "not 'abc'"),
        ("-1,8,4", "not '-1,8,4'"),
        ("4,8.5,4", "not '4,8.5,4'"),
        ("²,8,4", "not '²,8,4'"),
        ("", "not ''"),
        ("9" * 5000 + ",8,4", "--array is p,m,n"),
    ],
)
def test_impossible_array(build: Any, digits: Path, array: str, part: str) -> None:
    build(digits, f"--array={array}", parts=(part,))


def test_array_too_large(build: Any, digits: Path) -> None:
    build(
        digits,
        "--array=64,32,32",
        parts=("the array 64,32,32 needs about", "LUTs", "of ulx3s-85f may be used", "What fits: --array "),
    )


@pytest.mark.parametrize("depth", ["0", "-1", "65"])
def test_impossible_depth(build: Any, digits: Path, depth: str) -> None:
    build(digits, f"--depth={depth}", parts=("from 1 to 64", f"not {depth}"))


@pytest.mark.parametrize(("board", "part"), [("ulx3", "Did you mean 'ulx3s-85f'?"), ("xyz", "Boards: arty-a7-100t, ")])
def test_unknown_board(build: Any, digits: Path, board: str, part: str) -> None:
    build(digits, board=board, parts=(f"There is no board '{board}'", part))


@pytest.mark.parametrize("clock", ["0", "-5", "1e9", "nan", "inf", "5000", "0.001", "1e-9"])
@pytest.mark.parametrize("board", ["ulx3s-85f", "icebreaker"])
def test_absurd_clock(build: Any, digits: Path, clock: str, board: str) -> None:
    build(digits, f"--clock={clock}", board=board, parts=("MHz",))


@pytest.mark.parametrize("seed", ["-1", "x", "99999999999999999999"])
def test_impossible_seed(macaw: Any, digits: Path, tmp_path: Path, seed: str, looks_complete: Any) -> None:
    outcome = macaw("build", digits, "--board", "icebreaker", f"--seed={seed}", "-o", tmp_path / "build")
    assert outcome.code == 2 and "--seed" in outcome.errors and "Traceback" not in outcome.errors
    assert not looks_complete(tmp_path / "build")


@pytest.mark.parametrize(
    "words",
    [
        ("build",),
        ("build", "model.onnx"),
        ("build", "model.onnx", "--board", "icebreaker", "-o", "x", "--depth", "deep"),
        ("build", "model.onnx", "--board", "icebreaker", "-o", "x", "--clock", "fast"),
        ("frobnicate",),
        ("verify",),
        ("run", "x", "--limit", "0"),
        ("run", "x", "--sideways"),
    ],
)
def test_wrong_usage(macaw: Any, words: tuple[str, ...]) -> None:
    outcome = macaw(*words)
    assert outcome.code == 2
    assert "Error: " in outcome.errors and "Usage: macaw" in outcome.errors and "Traceback" not in outcome.errors
