"""docs/host-link.md: its tables are those of the code."""

from __future__ import annotations

from pathlib import Path

import macaw.boards.link.client as client
from macaw.boards.attachment import WEIGHTS
from macaw.boards.harness import LINKS
from macaw.hw.bus.flash_image import GAP_BYTES, header
from macaw.hw.bus.frame import ANSWER_MAGIC, REQUEST_MAGIC
from macaw.hw.bus.spi_slave import IDLE_BYTE, SpiSlave
from macaw.hw.control.register_map import BootStatus

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "host-link.md").read_text()
ROWS = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]


def _column(heading: str) -> list[str]:
    start = next(index for index, row in enumerate(ROWS) if row[0] == heading)
    names = []
    for row in ROWS[start + 2 :]:
        if len(row) != len(ROWS[start]) or row[0].startswith("macaw") or row[0] in ("BOOT", "What"):
            break
        names.append(row[0])
    return names


def test_choices() -> None:
    assert tuple(_column("macaw build --link")) == LINKS
    assert set(_column("macaw build --weights")) == set(WEIGHTS)
    assert _column("BOOT") == [status.name for status in BootStatus if status is not BootStatus.LOADING]


def test_numbers() -> None:
    assert REQUEST_MAGIC.hex(" ").upper() in PAGE and ANSWER_MAGIC.hex(" ").upper() in PAGE
    assert header(0)[:4].hex(" ").upper() in PAGE and f"{GAP_BYTES} times FF" in PAGE
    assert f"({IDLE_BYTE:02X})" in PAGE and SpiSlave.cycles_a_bit == 5 and "a fifth of the engine's clock" in PAGE


def test_errors_exist() -> None:
    for name in ("PortAbsent", "PortDenied", "PortBusy", "BoardSilent", "NotMacaw", "LinkLost", "TransferCorrupted"):
        assert f"`{name}`" in PAGE and issubclass(getattr(client, name), Exception)
