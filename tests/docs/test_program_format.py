"""docs/program-format.md says what the code does: regions, registers, codes, fields and their widths."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from amaranth.utils import ceil_log2

from macaw.hw.bus import frame
from macaw.hw.config import PROGRAM_FORMAT, EngineConfig
from macaw.hw.control.descriptor import Operation as LayerOperation
from macaw.hw.control.descriptor import descriptor_layout, tap_layout
from macaw.hw.control.register_map import MAGIC, BootStatus, CoreError, Region, Register, Status, StatusBit

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "program-format.md").read_text()

CONFIGS = (
    EngineConfig(p=4, m=8, n=4),
    EngineConfig(p=1, m=1, n=1, feature_depth=2, extent_width=3, nudge=20),
    EngineConfig(p=5, m=12, n=3, depth=4, feature_depth=3000, weight_depth=65536, tap_depth=4096, extent_width=12),
    EngineConfig(p=2, m=2, n=2, adding=True),
    EngineConfig(p=2, m=2, n=2, streaming=True),
    EngineConfig(
        p=1, m=3, n=16, products=("int8xint8", "ternaryxternary", "binaryxbinary"), output_formats=("ternary", "binary"),
        wrapping=True,
    ),
)


def table(heading: str) -> list[list[str]]:
    """Cells of the table whose first heading is ``heading``, without code marks."""
    start = PAGE.index(f"| {heading} |")
    rows = PAGE[start:].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def tables(heading: str) -> list[list[list[str]]]:
    """As :func:`table`, for every table with that heading."""
    found = []
    for part in PAGE.split("\n\n"):
        if part.startswith(f"| {heading} |"):
            found.append([[cell.strip() for cell in row.split("|")[1:-1]] for row in part.splitlines()[2:]])
    return found


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("Region", Region),
        ("Register", Register),
        ("Status", Status),
        ("Error", CoreError),
        ("Boot", BootStatus),
        ("Operation", frame.Operation),
    ],
)
def test_codes(heading: str, kind: Any) -> None:
    assert {row[0]: int(row[1], 0) for row in table(heading)} == {item.name: item.value for item in kind}


def test_frame_status() -> None:
    rows = {row[0]: int(row[1], 0) for row in table("Status of an answer") if row[1]}
    assert rows == {item.name: item.value for item in frame.FrameStatus}


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize(("number", "layout"), [(0, descriptor_layout), (1, tap_layout)], ids=["descriptor", "tap"])
def test_fields(config: EngineConfig, number: int, layout: Any) -> None:
    names = {
        name: getattr(config, name)
        for name in ("m", "n", "tap_bits", "weight_bits", "bank_bits", "feature_bits", "group_width", "nudge")
    } | {"extent_width": config.extent_width, "adding": int(config.adding), "ceil_log2": ceil_log2, "len": len}
    names |= {name: getattr(config, name) for name in ("products", "output_formats", "masking", "wrapping")}
    names["group_bytes"] = max(config.output_bytes)
    documented = [(row[0], eval(row[1], {}, names)) for row in tables("Field")[number]]
    absent = {"scale": not config.adding, "transfers": not config.streaming}
    documented = [(name, width) for name, width in documented if not absent.get(name)]
    assert documented == [(name, field.width) for name, field in layout(config)]


def test_constants() -> None:
    assert f"Program format {PROGRAM_FORMAT} " in PAGE
    assert f"0x{MAGIC:08X}" in PAGE
    for operation in LayerOperation:
        assert f"{operation.value} {operation.name}" in PAGE
    assert (
        "bit 0 BUSY, bit 1 DONE (the program ended), bit 2 PAUSED, bit 3 MEMORY (the external memory is ready; 0 without "
        "one), bits 8 to 15 the error, bits 16 to 31 the layers"
        in (PAGE.replace("\n", " "))
    )
    assert [bit.value for bit in StatusBit] == [0, 1, 2, 3, 8, 16]
    assert frame.REQUEST_MAGIC.hex(" ").upper() in PAGE and frame.ANSWER_MAGIC.hex(" ").upper() in PAGE
    assert f"A pause of {1000 * frame.PAUSE_SECONDS:g} ms" in PAGE
