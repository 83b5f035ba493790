"""`macaw faults`: table, plot, the same errors in golden model and RTL, and what it refuses."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from macaw.scripts import faults
from macaw.scripts.fault_plot import COLUMNS, main


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, heldout: Any) -> Path:
    path = tmp_path_factory.mktemp("inputs") / "inputs.npz"
    np.savez(path, image=heldout["image"][:40], labels=heldout["labels"][:40])
    return path


def test_the_same_errors_in_golden_model_and_rtl(macaw: Any, small_build: Path, inputs: Path, tmp_path: Path) -> None:
    words = ("--inputs", inputs, "--rates", "0.1,1e-3", "--repeats", "2", "--rtl", "2", "-o", tmp_path / "out")
    outcome = macaw("faults", small_build, *words)
    assert outcome.code == 0, outcome.errors
    assert "RTL = golden model on 2 inputs at each rate" in outcome.output
    table = rows(tmp_path / "out" / "faults.csv")
    assert tuple(table[0]) == COLUMNS
    assert [(row["storage"], row["rate"], row["seed"]) for row in table] == [
        ("1t1r", "0", "1"), ("2t2r", "0", "1"),
        *((storage, rate, seed) for seed in "12" for storage in ("1t1r", "2t2r") for rate in ("0.001", "0.1")),
    ]  # fmt: skip
    by_key = {(row["storage"], row["rate"], row["seed"]): row for row in table}
    assert float(by_key["1t1r", "0", "1"]["accuracy"]) == 1 and by_key["1t1r", "0", "1"]["wrong_bits"] == "0"
    # 85,120 bits: what 10 % of them are, within five standard deviations; a pair of devices has fewer, and hurts less.
    assert abs(int(by_key["1t1r", "0.1", "1"]["wrong_bits"]) - 8512) < 440
    assert int(by_key["2t2r", "0.1", "1"]["wrong_bits"]) < 4000
    assert float(by_key["1t1r", "0.1", "1"]["accuracy"]) < 0.5
    assert float(by_key["2t2r", "0.001", "1"]["accuracy"]) > 0.9
    assert (tmp_path / "out" / "faults.svg").read_text().startswith("<?xml")
    text = (tmp_path / "out" / "faults.csv").read_text()
    assert macaw("faults", small_build, *words[:-1], tmp_path / "again").code == 0
    assert (tmp_path / "again" / "faults.csv").read_text() == text
    assert (tmp_path / "again" / "faults.svg").read_bytes() == (tmp_path / "out" / "faults.svg").read_bytes()


def test_a_golden_model_with_other_errors_is_noticed(
    macaw: Any, small_build: Path, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "_maps", lambda network, integers: np.zeros((len(integers), *network.graph.tensors[network.graph.output].shape), np.int8))
    words = ("--inputs", inputs, "--rates", "0.1", "--repeats", "1", "--rtl", "1", "-o", tmp_path)
    macaw("faults", small_build, *words).refused(1, "1t1r at the rate 0.1", "outputs of the RTL differ")
    assert not (tmp_path / "faults.csv").exists()


def test_a_model_without_labels(macaw: Any, digits: Path, heldout: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", image=heldout["image"][:20])
    words = ("--inputs", tmp_path / "inputs.npz", "--rates", "0.05", "--storage", "1T1R", "--repeats", "1", "--array", "1,4,2")
    outcome = macaw("faults", digits, *words, "--limit", "10", "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.errors
    assert "agreement: mean" in outcome.output
    table = rows(tmp_path / "out" / "faults.csv")
    assert [(row["storage"], row["accuracy"], row["inputs"]) for row in table] == [("1t1r", "", "10")] * 2
    assert table[0]["agreement"] == "1.000000"


@pytest.mark.parametrize("rates", ["often", "0", "-0.1", "0.6", "nan", "1e-3,,1e-2", "inf"])
def test_rates_that_are_none(macaw: Any, small_build: Path, inputs: Path, tmp_path: Path, rates: str) -> None:
    outcome = macaw("faults", small_build, "--inputs", inputs, f"--rates={rates}", "-o", tmp_path / "out")
    outcome.refused(2, "--rates are probabilities above 0 and up to 0.5", "as in 1e-4,1e-3")


def test_what_is_refused(macaw: Any, small_build: Path, digits: Path, inputs: Path, tmp_path: Path) -> None:
    given = ("--inputs", inputs, "-o", tmp_path / "out")
    macaw("faults", small_build, *given, "--storage", "sram").refused(2, "--storage is 1t1r or 2t2r", "'sram'")
    macaw("faults", small_build, *given, "--array", "1,4,2").refused(2, "is a build, whose array is chosen")
    macaw("faults", tmp_path / "absent.onnx", *given).refused(2, "absent.onnx")
    macaw("faults", tmp_path, *given).refused(2, f"{tmp_path} holds no complete build")
    macaw("faults", small_build, "--inputs", tmp_path / "absent.npz", "-o", tmp_path / "out").refused(2, "do not exist")
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("in the way")
    macaw("faults", small_build, "--inputs", inputs, "-o", tmp_path / "file").refused(2, "cannot be written", "another with -o")


def test_ternary_weights_are_refused(macaw: Any, models: Any, tmp_path: Path) -> None:
    path = models.convolution(inputs=4, outputs=8, size=6)
    model = onnx.load(str(path))
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "weights")
    ternary = np.sign(onnx.numpy_helper.to_array(weights) // 64).astype(np.int8)
    weights.CopyFrom(onnx.numpy_helper.from_array(ternary, "weights"))
    onnx.save(model, str(path))
    np.savez(tmp_path / "inputs.npz", x=np.zeros((2, 4, 6, 6), np.float32))
    outcome = macaw("faults", path, "--array", "1,4,8", "--inputs", tmp_path / "inputs.npz", "-o", tmp_path / "out")
    outcome.refused(2, "The weights of 'big' are stored as ternary codes, one of which means nothing", "binary, 4-bit or 8-bit")


def test_plots_of_several_tables(small_build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [",".join(COLUMNS), "a,1t1r,0.01,0.01,1,100,1,10,0.9,1", "a,1t1r,0.01,0.01,2,100,1,10,0.8,1"]
    table, other = tmp_path / "a.csv", tmp_path / "b.csv"
    table.write_text("\n".join(lines) + "\n")
    shutil.copy(table, other)
    assert main([str(table), str(other), "-o", str(tmp_path / "plot.png")]) == 0
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    for case, part in (("x,y\n1,2\n", "is no table of `macaw faults`"), ("\n".join([lines[0], lines[1].replace("0.9", "?")]), "make it again")):
        other.write_text(case)
        assert main([str(table), str(other), "-o", str(tmp_path / "plot.svg")]) == 2
        assert part in capsys.readouterr().err
    assert main([str(table), "-o", str(tmp_path / "plot.gif")]) == 2
    assert "is an .svg or a .png file" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.svg"))
