"""The benchmark: a model with stored reference outputs becomes a row of the README's table; the table is that of the data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from macaw.compiler.model_import import import_model
from macaw.hw.errors import UserError
from macaw.scripts import benchmark
from macaw.scripts.benchmark_table import SECTION, _placed, section, write_tables
from macaw.scripts.marked_section import marks
from macaw.scripts.staged_data import find_models, load_staged

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "docs" / "figures"


@pytest.fixture
def staged(tmp_path: Path, digits: Path, heldout: dict[str, NDArray[np.float32]]) -> Path:
    """The digits with their reference outputs, as a folder of the data would have them."""
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copyfile(digits, folder / "digits.onnx")
    np.savez(folder / "digits_ref.npz", inputs=heldout["image"], labels=heldout["labels"], out_ort=heldout["logits"])
    return folder


def test_row(staged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A build for one board, verified; run again, the row takes the place of the first one."""
    data = tmp_path / "figures" / "data.json"
    words = [str(staged), "--array", "1,4,2", "--rtl", "3", "--layers", "1", "--work", str(tmp_path), "-o", str(data)]
    assert benchmark.main(words) == 0, capsys.readouterr().err
    (row,) = json.loads(data.read_text())["rows"]
    assert (row["model"], row["board"], row["array"]) == ("digits", "ulx3s-85f", [1, 4, 2])
    assert (row["products"], row["weights"]) == (213248, 10640)
    assert row["cycles"] == row["predicted_cycles"] and row["inferences_per_second"] == row["clock_hz"] / row["cycles"]
    assert (row["inputs"], row["outputs"], row["reference_differences"]) == (360, 3600, 0)
    assert (row["rtl_inputs"], row["rtl_differences"]) == (3, 0)
    assert (row["layer_inputs"], row["layers"], row["layer_reference_differences"]) == (1, 6, 0)
    assert row["accuracy"]["golden"] == row["accuracy"]["reference"] == pytest.approx(0.9944, abs=1e-4)
    assert row["rtl_accuracy"]["rtl"] == row["rtl_accuracy"]["golden"] and row["implementation"] is None
    assert row["command"].endswith("digits.onnx --board ulx3s-85f --array 1,4,2 --rtl 3 --layers 1")
    assert {"import", "compile", "verilog", "golden model", "compile RTL", "simulate RTL"} <= set(row["seconds"])

    used = {"luts": 12345, "registers": 4, "block_rams": 5, "multipliers": 6, "single_port_rams": 7}
    routed = {"fmax_hz": 80_000_000, "seed": 1, "resources": used}
    benchmark.store([row | {"cycles": 1}, row | {"board": "other", "implementation": routed}], data, "words")
    assert [(item["board"], item["cycles"]) for item in json.loads(data.read_text())["rows"]] == [
        ("ulx3s-85f", 1), ("other", row["cycles"])
    ]  # fmt: skip

    data_of_others = tmp_path / "others.json"
    data_of_others.write_text('{"rows": [{}]}')
    with pytest.raises(UserError, match="is not a data file of this command"):
        benchmark.store([row], data_of_others, "words")

    page = tmp_path / "page.md"
    begin, end = marks(SECTION)
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    write_tables(page, data, FIGURES / "mlperf_tiny_peers.json")
    text = page.read_text()
    assert text.startswith(f"before\n{begin}\n|") and text.endswith(f"|\n{end}\nafter\n") and "old" not in text
    assert "| digits | other | 1 x 4 x 2 | 213,248 | 10,640 |" in text and "| 99.4 % | 3,600 of 3,600 | 3 |" in text
    assert "| 75 MHz | not routed | – | – | – |" in text and "| 75 MHz | 80.0 MHz | 12,345 | 5 and 7 SPRAM | 6 |" in text
    routed["fmax_hz"] = 74_000_000
    assert _placed({"clock_hz": 75_000_000, "implementation": routed})[0] == "74.0 MHz, missed"
    assert "CNV-W1A1 (FINN) | Pynq-Z2 | 100 MHz | 661.5 | 84.5 % |" in text


def test_difference_is_a_failure(staged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A reference that says something else: the row says how many outputs differ."""
    graph = import_model(staged / "digits.onnx")
    _, reference = load_staged(staged / "digits.onnx", graph)
    row: dict[str, Any] = {
        "rtl_differences": 0, "cycles": 5, "predicted_cycles": 5, "reference_differences": 2, "deviations": 0, "outputs": 9,
        "reference": reference.name, "implementation": None, "clock_hz": 75_000_000,
    }  # fmt: skip
    assert benchmark._problem(row) == "2 of 9 outputs differ from ONNX Runtime, stored"
    assert benchmark._problem(row | {"deviations": 1}) == ""
    assert "1 elements of the RTL" in benchmark._problem(row | {"rtl_differences": 1})
    assert benchmark._problem(row | {"deviations": 1, "implementation": {"fmax_hz": 70_000_000}}) == "70.0 MHz, 75 wanted"
    assert "6 cycles, 5 predicted" in benchmark._problem(row | {"cycles": 6})


def test_wrong_words(staged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        benchmark.main([])
    assert ended.value.code == 2

    def refused(*words: str | Path) -> str:
        capsys.readouterr()
        assert benchmark.main([str(word) for word in words]) == 2
        return capsys.readouterr().err

    assert "does not exist" in refused(staged / "nothing.onnx")
    assert "holds no model NAME.tflite or NAME.onnx" in refused(tmp_path)
    assert "There is no board 'none'" in refused(staged, "--board", "none")
    shutil.copyfile(staged / "digits.onnx", staged / "alone.onnx")
    assert "alone_ref.npz does not exist" in refused(staged / "alone.onnx")
    assert find_models([staged]) == [staged / "digits.onnx"]
    page = tmp_path / "page.md"
    page.write_text("no marks\n")
    data = FIGURES / "mlperf_tiny.json"
    assert "needs the marks <!-- mlperf-tiny --> and <!-- /mlperf-tiny -->" in refused("--readme", page, "-o", data)


def test_staged_arrays(staged: Path) -> None:
    """Inputs by the names of the data files; a file that does not fit the model is refused."""
    model = staged / "digits.onnx"
    graph = import_model(model)
    inputs, reference = load_staged(model, graph)
    assert inputs.values.shape == (360, *graph.input_shape[1:]) and reference.map(graph.output, inputs.values) is None
    with np.load(staged / "digits_ref.npz") as archive:
        np.testing.assert_array_equal(reference.outputs(inputs.values[5:9]), archive["out_ort"][5:9])
        arrays = dict(archive)
    for changed, part in (
        ({"inputs": arrays["inputs"], "out_tflm": arrays["out_ort"]}, "one 'out_ort'"),
        ({"inputs": arrays["inputs"][:7], "out_ort": arrays["out_ort"]}, "do not fit"),
        ({"inputs": arrays["inputs"][:, :, :4], "out_ort": arrays["out_ort"]}, "do not fit"),
    ):
        np.savez(staged / "digits_ref.npz", **changed)
        with pytest.raises(UserError, match=part):
            load_staged(model, graph)
    (staged / "digits_ref.npz").write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be read"):
        load_staged(model, graph)


def test_readme_has_the_data() -> None:
    """The README's table is the one that the data files give: nobody edits it by hand."""
    text = (ROOT / "README.md").read_text()
    begin, end = marks(SECTION)
    measured = json.loads((FIGURES / "mlperf_tiny.json").read_text())
    peers = json.loads((FIGURES / "mlperf_tiny_peers.json").read_text())
    assert text.split(begin)[1].split(end)[0] == f"\n{section(measured, peers)}\n"
    for row in measured["rows"]:
        assert row["rtl_differences"] == 0 and row["cycles"] == row["predicted_cycles"] and row["rtl_inputs"] >= 10, row["model"]
        assert row["reference_differences"] == 0 or row["deviations"], row["model"]
        assert row["inferences_per_second"] == pytest.approx(row["clock_hz"] / row["cycles"])
