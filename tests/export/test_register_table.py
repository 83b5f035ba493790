"""One address map in the C header, the LiteX module and both editions of IP-XACT: that of the register map."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest

from macaw.export.design import BUSES
from macaw.export.ip_xact import EDITIONS, component_xml
from macaw.export.litex import litex_module
from macaw.export.register_table import c_header, constants, register_entries
from macaw.hw.bus.address_window import AddressWindow, region_words
from macaw.hw.control.register_map import Region, Register, StatusBit, StreamRegister


@pytest.mark.parametrize("bus", BUSES)
def test_constants(make_design: Any, bus: str) -> None:
    """Every region and register is where the bus has it; nothing overlaps or lies outside."""
    design = make_design(bus)
    values, window = constants(design), design.window
    for kind in Register:  # of an engine that does not stream
        absent = kind in (Register.BOOT, Register.EXTERNAL_WORDS, Register.EXTERNAL_STALLS, Register.EXTERNAL_WRITTEN)
        assert values.get(f"REGISTER_{kind.name}") == (None if absent else 4 * kind.value)
    for stream in StreamRegister:
        wanted = window.byte_address(Region.STREAM, stream.value) if bus == "axi" else None
        assert values.get(f"REGISTER_{stream.name}") == wanted
    for region, words in region_words(design.config).items():
        if region != Region.STREAM or bus == "axi":
            assert values[f"REGION_{region.name}"] == window.byte_address(region) == region.value << window.offset_bits << 2
            assert values[f"REGION_{region.name}_WORDS"] == words <= 1 << window.offset_bits
    assert values["WINDOW_BYTES"] == 1 << window.byte_bits
    assert values["INPUT_ADDRESS"] == values["REGION_FEATURES"] and values["INPUT_WORDS"] == 8 * 4 * 2
    assert values["OUTPUT_ADDRESS"] == values["REGION_FEATURES"] + 20 * 8 * 4


def test_streaming(make_design: Any) -> None:
    config = replace(make_design().config, streaming=True)
    values = constants(make_design(config=config, memory_base=0x4000_0000, memory_words=77))
    assert (values["MEMORY_BASE"], values["MEMORY_WORDS"]) == (0x4000_0000, 77)
    assert values["REGISTER_EXTERNAL_STALLS"] == 4 * Register.EXTERNAL_STALLS.value
    assert "REGISTER_EXTERNAL_WRITTEN" not in values
    values = constants(make_design(config=replace(config, spilling=True), memory_base=0, memory_words=77))
    assert values["REGISTER_EXTERNAL_WRITTEN"] == 4 * Register.EXTERNAL_WRITTEN.value


def test_c_header(make_design: Any) -> None:
    design = make_design()
    found = re.findall(r"^#define MACAW_SMALL_(\w+) +0x([0-9a-f]{8})u$", c_header(design), re.MULTILINE)
    assert {name: int(value, 16) for name, value in found} == constants(design)


def test_litex(make_design: Any, exported: Any) -> None:
    design = make_design("wishbone")
    text = litex_module(design, exported("wishbone")[1], ["a.v"])
    found = re.findall(r'^    "(\w+)": 0x([0-9a-f]{8}),$', text, re.MULTILINE)
    assert {name: int(value, 16) for name, value in found} == constants(design)
    compile(text, "litex_module", "exec")


@pytest.mark.parametrize("edition", EDITIONS)
def test_ip_xact(make_design: Any, exported: Any, edition: int) -> None:
    design = make_design()
    root = ET.fromstring(component_xml(design, exported("axi")[1], ["a.v"], edition))
    space = {"x": EDITIONS[edition][1]}
    found = {}
    for register in root.findall(".//x:register", space):
        name, address = (register.findtext(f"x:{tag}", "", space) for tag in ("name", "addressOffset"))
        found[name] = (int(address, 16), int(register.findtext("x:dim", "1", space)))
    wanted = {entry.name: (entry.address, 1) for entry in register_entries(design)}
    values = constants(design)
    wanted |= {
        name: (values[f"REGION_{name.upper()}"], values[f"REGION_{name.upper()}_WORDS"])
        for name in ("program", "taps", "weights", "features")
    }
    assert found == wanted
    assert int(root.findtext(".//x:range", "", space)) == values["WINDOW_BYTES"]
    status = next(item for item in root.findall(".//x:register", space) if item.findtext("x:name", "", space) == "status")
    fields = {
        field.findtext("x:name", "", space): tuple(int(field.findtext(f"x:{tag}", "", space)) for tag in ("bitOffset", "bitWidth"))
        for field in status.findall("x:field", space)
    }
    assert fields.items() >= {"busy": (0, 1), "done": (1, 1), "paused": (2, 1), "error": (8, 8), "layers": (16, 16)}.items()
    assert set(fields) == {bit.name.lower() for bit in StatusBit}


def test_window(make_design: Any) -> None:
    """The smallest that holds the largest region, 4 KiB at least."""
    assert AddressWindow.of(make_design().config).offset_bits == 9
    assert region_words(make_design().config)[Region.FEATURES] == 512
    with pytest.raises(ValueError, match="outside a region of 512 words"):
        AddressWindow(9).byte_address(Region.TAPS, 512)
