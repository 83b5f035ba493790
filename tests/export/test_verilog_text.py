"""Tests of macaw.export.verilog_text, macaw.export.top and macaw.export.design."""

from __future__ import annotations

import re
from typing import Any

import pytest

from macaw.export.design import BUSES, module_name
from macaw.export.verilog_text import header, modules, plain_names, split
from macaw.hw.config import EngineConfig
from macaw.hw.errors import UserError
from macaw.hw.primitives.target import Family


def test_plain_names() -> None:
    text = "module \\a.b (\\x$1 , x_1, \\event );\n  wire \\x$1  = 0, \\x.1 , x_1, \\event , \\0 ;\nendmodule\n"
    assert plain_names(text) == (
        "module a_b(x_1_2, x_1, event_);\n  wire x_1_2 = 0, x_1_3, x_1, event_, n0_;\nendmodule\n"
    )


@pytest.mark.parametrize("bus", [bus if bus in ("axi", "core") else pytest.param(bus, marks=pytest.mark.slow) for bus in BUSES])
def test_names_and_modules(exported: Any, bus: str) -> None:
    """No escaped identifier, every instance has its module, and the top's ports are those of the table."""
    texts, top = exported(bus)
    assert next(iter(texts)) == "macaw_small"
    whole = "".join(texts.values())
    assert "\\" not in whole and "(* unused_bits" not in whole
    instances = set(re.findall(r"^  (macaw_small\w*) \w+ \(", whole, re.MULTILINE))
    assert instances == set(texts) - {"macaw_small"}
    assert all(re.fullmatch(r"[a-z]\w*", name) for name in texts)
    declared = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", texts["macaw_small"], re.MULTILINE)
    assert {(name, direction == "output", int(high or 0) + 1) for direction, high, name in declared} == {
        (port.name, port.output, port.width) for port in top.ports
    }


def test_header_and_files(make_design: Any, exported: Any) -> None:
    design = make_design()
    texts, _ = exported("axi")
    comment = header(design)
    assert all(line.startswith("// ") for line in comment.splitlines())
    for part in ("Macaw 1.2.3", "small.onnx", "AXI4-Lite", "no vendor cells", f"{design.config.identity:016x}", '"weight_depth": 48'):
        assert part in comment
    (single,) = split(texts, comment, each=False).items()
    assert single[0] == "macaw_small.v" and single[1].startswith(comment)
    each = split(texts, comment, each=True)
    assert set(each) == {f"{name}.v" for name in texts}
    assert all(text.startswith(comment) and text.count("endmodule") == 1 for text in each.values())
    again = split(modules(make_design())[0], comment, each=False)
    assert again == dict([single])


@pytest.mark.slow
def test_vendor_cells(make_design: Any, exported: Any) -> None:
    cell = re.compile(r"^  (DP16KD|MULT18X18D) ", re.MULTILINE)
    assert not cell.search("".join(exported("core")[0].values()))
    assert cell.search("".join(modules(make_design("core", family=Family.ECP5))[0].values()))


def test_standard_names(exported: Any) -> None:
    names = {port.name for port in exported("axi")[1].ports}
    assert names >= {"aclk", "aresetn", "s_axi_awaddr", "s_axi_wstrb", "s_axi_rresp", "s_axis_tlast", "m_axis_tuser"}
    names = {port.name for port in exported("wishbone")[1].ports}
    assert names >= {"wb_clk_i", "wb_rst_i", "wb_adr_i", "wb_dat_i", "wb_dat_o", "wb_ack_o", "wb_err_o"}


@pytest.mark.parametrize(("file", "name"), [("Kws 2.x-int8", "kws_2_x_int8"), ("8x8", "n8x8"), ("é a", "a")])
def test_module_name(file: str, name: str) -> None:
    assert module_name(file) == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bus": "apb"}, "There is no bus 'apb': choose one of axi, wishbone"),
        ({"name": "module"}, "'module' cannot name a module"),
        ({"name": "Big"}, "'Big' cannot name a module"),
        ({"bus": "wishbone", "config": EngineConfig(p=1, m=4, n=1, streaming=True)}, "for which only AXI has a port, not wishbone"),
    ],
)
def test_refusals(make_design: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_design(**changes)
    with pytest.raises(UserError, match="has no letter or digit"):
        module_name("--")
