"""`macaw export` as a user meets it: the folders that it makes, the same each time, and what it refuses."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by its path in the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


IMAGES = {f"images/{name}.hex" for name in ("program", "taps", "weights")}


@pytest.mark.parametrize(
    ("form", "special"),
    [
        pytest.param("verilog", set(), marks=pytest.mark.slow),
        ("fusesoc", {"NAME.core"}),
        pytest.param("litex", {"NAME_litex.py"}, marks=pytest.mark.slow),
        ("vivado-ip", {"component.xml", "NAME_1685_2014.xml"}),
    ],
)
def test_forms(macaw: Any, small_build: Path, tmp_path: Path, form: str, special: set[str]) -> None:
    name = "macaw_digits_int8"
    outcome = macaw("export", small_build, "--as", form, "-o", tmp_path / "deep" / "a")
    assert outcome.code == 0 and f"{name}: Accelerator of the network digits_int8.onnx" in outcome.output
    files = contents(tmp_path / "deep" / "a")
    wanted = IMAGES | {"NAME.v", "NAME_map.h"} | special
    assert set(files) == {file.replace("NAME", name) for file in wanted}
    assert {file: files[file] for file in IMAGES} == {file: (small_build / file).read_bytes() for file in IMAGES}
    text = b"".join(files.values()).decode()
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", text), "a date"
    assert str(small_build) not in text and str(tmp_path) not in text


def test_choices(macaw: Any, small_build: Path, tmp_path: Path) -> None:
    """Split, vendor cells, another name and bus, into an empty folder; twice the same."""
    words = ("--as", "verilog", "--bus", "core", "--split", "--primitives", "vendor", "--name", "tiny")
    found = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        assert macaw("export", small_build, *words, "-o", tmp_path / folder).code == 0
        found.append(contents(tmp_path / folder))
    assert found[0] == found[1]
    verilog = {name: text.decode() for name, text in found[0].items() if name.endswith(".v")}
    assert {"rtl/tiny.v", "rtl/tiny_engine.v"} <= set(verilog) and "tiny_map.h" in found[0]
    assert any("MULT18X18D " in text for text in verilog.values())


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--as", "qsys"), ("no export as 'qsys'", "verilog, fusesoc, litex, vivado-ip")),
        (("--as", "verilog", "--bus", "apb"), ("no bus 'apb'", "axi, wishbone, wishbone-pipelined, core")),
        (("--as", "vivado-ip", "--bus", "wishbone"), ("vivado-ip has the bus axi, not wishbone", "leave --bus out")),
        (("--as", "litex", "--bus", "core"), ("litex has the bus wishbone, not core",)),
        (("--as", "verilog", "--primitives", "xilinx"), ("no primitives 'xilinx'", "portable or vendor")),
        (("--as", "vivado-ip", "--primitives", "vendor"), ("no cells of the family ecp5",)),
        (("--as", "verilog", "--name", "9x"), ("'9x' cannot name a module",)),
        (("--as", "verilog", "--memory-base", "here"), ("'here' is no address", "0x10000000")),
        (("--as", "verilog", "--memory-timing", "0"), ("'0' describes no memory", "LATENCY[,INTERVAL[,GAP[,AHEAD]]]")),
        (("--as", "verilog", "--memory-timing", "1,2,3,4,5"), ("describes no memory",)),
        (("--as", "verilog", "--memory-timing", "fast"), ("describes no memory",)),
        (("--as", "verilog", "--memory-timing", "40,2"), ("keeps all weights on the chip", "leave --memory-timing out")),
        (("--as", "verilog", "--memory-base", "0x10000000"), ("keeps all weights on the chip", "leave --memory-base out")),
    ],
)
def test_choices_that_do_not_exist(
    macaw: Any, small_build: Path, tmp_path: Path, words: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    macaw("export", small_build, *words, "-o", tmp_path / "out").refused(2, *parts)
    assert not list(tmp_path.iterdir())


def test_no_build(macaw: Any, small_build: Path, tmp_path: Path) -> None:
    """No folder, a folder without a build, one that is unfinished, one whose image is damaged."""
    output = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    for folder in ("absent", "empty"):
        macaw("export", tmp_path / folder, "--as", "verilog", "-o", output).refused(2, "holds no complete build", "macaw build")
    broken = tmp_path / "broken"
    shutil.copytree(small_build, broken)
    (broken / "images" / "taps.hex").unlink()
    macaw("export", broken, "--as", "verilog", "-o", output).refused(2, "taps.hex is missing or damaged: build again")
    (broken / "build.json").unlink()
    macaw("export", broken, "--as", "verilog", "-o", output).refused(2, "holds no complete build")
    assert not output.exists()


def test_output_that_is_there(macaw: Any, small_build: Path, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    macaw("export", small_build, "--as", "verilog", "-o", folder).refused(2, "is not empty", "choose another with -o")
    assert contents(folder) == {"mine.txt": b"mine"}
    macaw("export", small_build, "--as", "verilog", "-o", folder / "mine.txt").refused(2, "is no folder")
    macaw("export", small_build, "--as", "verilog", "-o", folder / "mine.txt" / "x").refused(2, "mine.txt is a file")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
