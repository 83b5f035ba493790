"""Models, arrays, boards and clocks that cannot be built: one message, exit code 2, nothing that looks complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

from macaw.boards.catalog import find_board
from macaw.compiler.compilation import compile_graph
from macaw.compiler.model_import import import_model
from macaw.scripts.build_folder import board_budget


def test_absent_file(build: Any, tmp_path: Path) -> None:
    build(tmp_path / "absent.onnx", parts=("There is no model file", "absent.onnx"))
    build(tmp_path, parts=(f"{tmp_path} is a folder", "name the model's file"))


@pytest.mark.parametrize("content", [b"", b"not a model at all", bytes(range(256)) * 20, b"PK\x03\x04" + bytes(100)])
def test_not_onnx(build: Any, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.onnx"
    path.write_bytes(content)
    build(path, parts=(str(path), "is not an ONNX"))


def test_truncated_file(build: Any, tmp_path: Path, digits: Path) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(digits.read_bytes()[:9000])
    build(path, parts=("half.onnx is not",))


def test_invalid_model(build: Any, models: Any) -> None:
    """What ONNX's checker says is told whole, with the node, in one line."""
    path = models.real()
    model = onnx.load(path)
    del model.graph.initializer[:]
    onnx.save(model, path)
    outcome = build(path, parts=("is not a valid ONNX model", "'weights'", "name: conv", "is not output of any previous nodes."))
    assert len(outcome.sentence().splitlines()) == 1
    model = onnx.load(models.real())
    model.graph.node[0].op_type = "Convolute"
    onnx.save(model, path)
    build(path, parts=("No Op registered for Convolute", "Name: conv"))


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


def test_memory_that_is_not_used(build: Any, models: Any) -> None:
    """A board whose SDRAM would hold the weights says so, where memory is what is short."""
    way = "What this board cannot hold may fit its SDRAM: --weights external."
    model = models.convolution(inputs=512, outputs=512, size=1, kernel=1)
    build(model, "--array=1,4,4", board="ulx3s-12f", parts=("block RAMs", "What fits: --board ulx3s-85f.", way))
    small = models.convolution(inputs=4, outputs=4, size=8)
    assert way not in build(small, "--array=8,4,8", board="ulx3s-12f", parts=("LUTs",)).sentence()
    graph = import_model(models.convolution(inputs=512, outputs=512, size=1, kernel=1))
    assert compile_graph(graph, board_budget(find_board("ulx3s-12f"), "external"), array=(1, 4, 4)).weights is not None


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


@pytest.mark.parametrize("clock", ["100MHz", "100 MHz", "fast", "0", "-5", "1e9", "nan", "inf", "5000", "0.001", "1e-9"])
@pytest.mark.parametrize("board", ["ulx3s-85f", "icebreaker"])
def test_absurd_clock(build: Any, digits: Path, clock: str, board: str) -> None:
    build(digits, f"--clock={clock}", board=board, parts=("MHz",))


def test_seed_without_placement(build: Any, digits: Path, macaw: Any, tmp_path: Path) -> None:
    build(digits, "--seed=3", parts=("--seed is that of the placement, which --no-route leaves out",))
    macaw("build", digits, "--board", "de10-nano", "--seed", "3", "-o", tmp_path / "build").refused(
        2, "--seed is nextpnr's, which does not place de10-nano: leave it out"
    )
    assert not (tmp_path / "build").exists()


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
