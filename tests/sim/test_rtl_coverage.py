"""Verilator's coverage file by blocks: names of instances and ports, edges, lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.emit import verilog
from macaw.hw.engine import Engine
from macaw.hw.errors import CheckFailed
from macaw.sim.rtl_coverage import block_of, modules, read_coverage

ROOT = Path(__file__).parents[2]

VERILOG = """\
module core(clk, rst, port__request__valid);
endmodule

module \\core.array.dot_0_1 (rst, \\port$1143$0 , \\port$1154$0 , total, clk);
endmodule
"""


def _point(kind: str, module: str, what: str, count: int) -> str:
    fields = {"f": "core.v", "l": "7", "n": "3", "page": f"v_{kind}/{module}", "o": what, "h": f"TOP.{module}"}
    return "C '" + "".join(f"\x01{key}\x02{value}" for key, value in fields.items()) + f"' {count}\n"


def test_points(tmp_path: Path) -> None:
    dot = "core.array.dot_0_1"
    (tmp_path / "core.dat").write_text(
        "# SystemC::Coverage-3\n"
        + _point("toggle", "core", "port___05Frequest___05Fvalid:0->1", 5)
        + _point("toggle", "core", "port___05Frequest___05Fvalid:1->0", 0)
        + _point("toggle", "core", "clk:0->1", 9)
        + _point("toggle", "core", "inner:0->1", 0)
        + _point("toggle", dot, "port__0241143__0240[3]:0->1", 1)
        + _point("toggle", dot, "total[2]:0->1", 0)
        + _point("line", dot, "if", 0)
        + _point("branch", dot, "else", 2)
    )
    found = read_coverage(tmp_path / "core.dat", VERILOG)
    engine, product = "hw/engine.py", "hw/compute/dot_product.py"
    assert found.toggles == {
        f"{engine}: port__request__valid 0->1": True,
        f"{engine}: port__request__valid 1->0": False,
        f"{product}: port 0[3] 0->1": True,
        f"{product}: total[2] 0->1": False,
    }
    assert found.instances == {engine: (1, 2), product: (1, 2)}
    assert found.lines == {product: (1, 2)}


def test_no_coverage(tmp_path: Path) -> None:
    (tmp_path / "core.dat").write_text("# SystemC::Coverage-3\n")
    with pytest.raises(CheckFailed, match="holds no coverage of a core"):
        read_coverage(tmp_path / "core.dat", VERILOG)
    with pytest.raises(CheckFailed, match="core.strange is of no block"):
        block_of("core.strange")


def test_every_instance_is_of_a_block() -> None:
    """Of an engine with most parts."""
    config = EngineConfig(
        p=1, m=2, n=1, depth=2, products=("int8xint8", "int4xint4", "ternaryxternary", "binaryxbinary", "int8xternary"),
        wrapping=True, adding=True, part_pitch=1, logic_dots=1,
    )  # fmt: skip
    blocks = {block_of(module) for module in modules(verilog(Engine(config), name="core"))}
    assert all((ROOT / block).is_file() for block in blocks)
    assert {"hw/engine.py", "hw/compute/mac_array.py", "hw/output/requantizer.py", "hw/compute/paired_dot.py"} <= blocks
