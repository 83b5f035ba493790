"""`macaw` from model to simulated board, and the same by the scripts behind it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from macaw import __version__
from macaw.boards.catalog import BOARDS
from macaw.boards.device import PARTS, find_device
from macaw.boards.figures import load_figures
from macaw.boards.resources import Resources
from macaw.boards.toolchain import Implementation
from macaw.scripts import destination_list, generate, run, simulate, synthesize
from macaw.scripts.build_folder import load_build


def test_version_boards_help(macaw: Any) -> None:
    assert macaw("--version").output.strip() == __version__
    boards, figures = macaw("boards"), load_figures()
    assert boards.code == 0
    for board in BOARDS.values():
        line = next(line for line in boards.output.splitlines() if line.split()[:1] == [board.name])
        capacity = board.capacity
        assert line.split()[1:4] == [board.part, f"{capacity.luts:,}", f"{capacity.registers:,}"]
        row = figures.get(board.name)
        if board.vendor:
            assert row is None and line.rstrip().endswith(f"not built here ({board.vendor})")
            continue
        assert line.rstrip().endswith("not yet") if row is None else f"{row.median_fmax_hz / 1e6:.1f} MHz" in line
        if row is not None:
            (measured,) = (line.split() for line in boards.output.splitlines() if line.split()[:2] == [board.name, row.network])
            cells = (row.luts, row.registers, row.block_rams, row.single_port_rams, row.multipliers)
            assert measured[2:] == [",".join(map(str, row.array)), f"{row.inferences_per_second:,.0f}", *(f"{item:,}" for item in cells)]
    assert f"`{figures['ulx3s-85f'].command}`".replace("digits_int8", "NETWORK").replace("ulx3s-85f", "BOARD") in boards.output
    assert macaw("--help").code == 0
    for command in ("build", "verify", "run", "demo", "boards", "parts", "bringup"):
        assert macaw(command, "--help").code == 0


def test_figures_with_a_command_of_their_own(macaw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(load_figures()["icebreaker"], command="python -m macaw.scripts.board_figures --board icebreaker --array 1,2,2")
    monkeypatch.setattr(destination_list, "load_figures", lambda: {row.board: row})
    output = macaw("boards").output
    assert f"icebreaker: {row.command}" in output and "Boards without figures have not been measured yet." in output


def test_empty_words(macaw: Any, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-o "$UNSET"` is not the current folder."""
    monkeypatch.chdir(tmp_path)
    for words, place in (
        (["build", str(digits), "--board", "ulx3s-85f", "-o", ""], "-o"), (["build", str(digits), "--output="], "--output"),
        (["verify", ""], "verify"), ([""], "macaw"),
    ):  # fmt: skip
        macaw(*words).refused(2, f"The word after {place} is empty, as from a variable that is not set")
    assert not list(tmp_path.iterdir())


def test_parts(macaw: Any) -> None:
    lines = macaw("parts").output.splitlines()
    assert {line.split()[0] for line in lines if line.split()[:1] != []} >= PARTS.keys()
    some = macaw("parts", "gw5a-lv25mg121").output
    assert [line.split() for line in some.splitlines() if "GW5A" in line] == [
        [part, "23,040", "23,040", "126", "KiB", "0", "54", "MHz"] for part in ("GW5A-LV25MG121NC1/I0", "GW5A-LV25MG121NC2/I1")
    ]
    macaw("parts", "xc7").refused(2, "No part begins with 'xc7'", f"lists all {len(PARTS)}")


def test_build_for_a_part(macaw: Any, digits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    words = ("--array", "1,4,2", "--no-route", "-o", folder)
    built = macaw("build", digits, "--device", "lfe5u-45f-6bg381c", *words)
    assert built.code == 0, built.errors
    manifest = json.loads((folder / "build.json").read_text())
    assert manifest["board"] == "LFE5U-45F-6BG381C" and manifest["clock_hz"] == 75_000_000
    report = (folder / "report.html").read_text()
    assert "--device LFE5U-45F-6BG381C" in report and "43,848" in report
    assert load_build(folder).board is find_device("LFE5U-45F-6BG381C")
    macaw("build", digits, "--device", "LFE5U-45F", *words).refused(2, "no part 'LFE5U-45F'", "as LFE5U-45F-6BG381C")
    macaw("build", digits, "--board", "icebreaker", "--device", "LFE5U-45F-6BG381C", *words).refused(2, "leave out one of --board and --device")
    macaw("build", digits, *words).refused(2, "--board with one of `macaw boards`, or --device with a part number")


def test_installed_command(tmp_path: Path) -> None:
    command = shutil.which("macaw", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert command is not None
    done = subprocess.run([command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__


def test_verify_and_run(macaw: Any, small_build: Path, heldout: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "build"
    shutil.copytree(small_build, folder)
    inputs, outputs = tmp_path / "inputs.npz", tmp_path / "outputs.npz"
    np.savez(inputs, image=heldout["image"][:5], labels=heldout["labels"][:5])

    verified = macaw("verify", folder, "--inputs", inputs)
    assert verified.code == 0, verified.errors
    assert "5 real inputs" in verified.output and "differ" not in verified.output
    result = json.loads((folder / "verify.json").read_text())
    assert result["equal"] and result["inputs"] == 5 and result["accuracy"]["rtl"] == 1.0
    assert result["cycles"] == result["predicted_cycles"] == json.loads((folder / "build.json").read_text())["cycles"]
    assert json.loads((folder / "report.json").read_text())["verification"]["equal"]
    assert "bit-exact" in (folder / "report.html").read_text()

    ran = macaw("run", folder, "--simulate", "--inputs", inputs, "--limit", "2", "--save", outputs)
    assert ran.code == 0, ran.errors
    assert "every output equals the golden model" in ran.output and "simulated board" in ran.output
    with np.load(outputs) as archive:
        (values,) = archive.values()
    assert values.shape == (2, 10) and np.array_equal(values, heldout["logits"][:2])


def test_limits(macaw: Any, small_build: Path, heldout: dict[str, Any], tmp_path: Path) -> None:
    """Golden model and reference take all inputs, the RTL the first ones, and the layers of fewer are compared."""
    folder, inputs = tmp_path / "build", tmp_path / "inputs.npz"
    shutil.copytree(small_build, folder)
    labels = heldout["labels"][:9].copy()
    labels[5:] = (labels[5:] + 1) % 10
    np.savez(inputs, image=heldout["image"][:9], labels=labels)
    verified = macaw("verify", folder, "--inputs", inputs, "--limit", 4, "--layers", 1)
    assert verified.code == 0, verified.errors
    result = json.loads((folder / "verify.json").read_text())
    assert (result["inputs"], result["rtl_inputs"]) == (9, 4)
    assert {row["name"]: row["inputs"] for row in result["rows"]} == {
        "conv1": 1, "conv2": 1, "conv2_pool": 1, "conv3": 1, "conv4": 1, "fc": 1, "output": 4, "output, all inputs": 9
    }  # fmt: skip
    assert result["rows"][-1]["rtl_differences"] is None and result["rows"][-1]["reference_differences"] == 0
    assert result["accuracy"] == {"reference": 5 / 9, "golden": 5 / 9, "rtl": 1.0}
    assert result["limited_accuracy"] == {"reference": 1.0, "golden": 1.0, "rtl": 1.0}
    assert result["simulated_cycles"] > 5 * result["cycles"] and result["cycles_per_second"] > 0
    assert "the first 4" in verified.output and "55.56 %" in verified.output and "a second on one core" in verified.output

    assert macaw("verify", folder, "--limit", 2, "--layers", 0).code == 0
    rows = json.loads((folder / "verify.json").read_text())["rows"]
    assert [(row["name"], row["inputs"]) for row in rows] == [("output", 2), ("output, all inputs", 16)]
    assert macaw("verify", folder, "--limit", 0).code == 2
    assert simulate.main([str(folder), "--layers", "-1"]) == 2


def test_random_inputs(macaw: Any, small_build: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    shutil.copytree(small_build, folder)
    verified = macaw("verify", folder)
    assert verified.code == 0 and "16 random inputs" in verified.output


def test_wrong_hardware_is_found(macaw: Any, small_build: Path, tmp_path: Path) -> None:
    """A core that computes something else fails the check: exit code 1, and the report says so."""
    folder = tmp_path / "build"
    shutil.copytree(small_build, folder, ignore=shutil.ignore_patterns("simulation"))
    text = (folder / "core.v").read_text()
    # The lowest bit of one lane's output is wrong.
    start = text.index("module \\core.output.requantizer_0 ")
    changed, count = re.subn(r"(\\output +<= )(\w+);", r"\1\2 ^ 8'd1;", text[start:], count=1)
    assert count == 1
    (folder / "core.v").write_text(text[:start] + changed)
    macaw("verify", folder).refused(1, "Not equal: the RTL differs from the golden model in conv1")
    assert not json.loads((folder / "verify.json").read_text())["equal"]
    assert "verification failed" in (folder / "report.html").read_text()


def test_scripts(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "build")
    words = [str(digits), "--board", "icebreaker", "--array", "1,2,2", "-o", folder]
    assert generate.main(words) == 0
    for script in (simulate, run):
        with pytest.raises(SystemExit) as ended:
            script.main(["--help"])
        assert ended.value.code == 0
    assert generate.main([*words[:-1], str(digits)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_demo(macaw: Any, tmp_path: Path) -> None:
    """Everything but place and route; all 360 digits through the RTL."""
    folder = tmp_path / "demo"
    done = macaw("demo", "--no-route", "-o", folder)
    assert done.code == 0, done.errors
    result = json.loads((folder / "verify.json").read_text())
    assert result["inputs"] == 360 and result["equal"] and result["reference"] == "ONNX Runtime"
    assert all(row["rtl_differences"] == 0 and row["reference_differences"] == 0 for row in result["rows"])
    assert len({result["accuracy"][name] for name in ("reference", "golden", "rtl")}) == 1
    assert result["accuracy"]["rtl"] >= 0.97
    assert "It works." in done.output and "360 real digits" in done.output


def test_demo_on_a_board_of_a_vendor(macaw: Any, tmp_path: Path) -> None:
    macaw("demo", "--board", "arty-a7-100t", "-o", tmp_path / "demo").refused(2, "built by Vivado", "--no-route leaves that out")
    assert not (tmp_path / "demo").exists()


def test_figures_for_a_part(macaw: Any, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What becomes of a placed core; placing one for real is a test of the toolchain."""
    folder = tmp_path / "build"
    used = Resources(luts=1234, registers=1000, block_rams=9, multipliers=2, single_port_rams=4)

    def implement(component: Any, directory: Path, **options: Any) -> Implementation:
        component._MustUse__used = True
        assert directory == folder / "implementation" and options["board"] is find_device("iCE40UP5K-SG48")
        assert (options["clock_hz"], options["seed"]) == (24_000_000, 5)
        return Implementation(
            board=options["board"].name, seed=5, clock_hz=24_000_000, fmax_hz=23_500_000, netlist=used, resources=used,
            versions={"yosys": "0.70"}, seconds={}, bitstream=None,
        )  # fmt: skip

    monkeypatch.setattr(synthesize, "implement_component", implement)
    words = ("--array", "1,2,1", "--clock", "24", "--seed", "5", "-o", folder)
    built = macaw("build", digits, "--device", "iCE40UP5K-SG48", *words)
    assert built.code == 0, built.errors
    assert "23.5 MHz, 1,234 LUTs" in built.output
    assert "out of context: the core alone, without pins and bitstream; 24 MHz were aimed at" in built.output
    figures = json.loads((folder / "build.json").read_text())["implementation"]
    assert (figures["board"], figures["fmax_hz"], figures["bitstream"]) == ("iCE40UP5K-SG48", 23_500_000, None)
    assert "1,234" in (folder / "report.html").read_text()
