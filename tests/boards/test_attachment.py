# amaranth: UnusedElaboratable=no
"""Links and sources of weights: which board has them, and their pins in the files for the tools."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from macaw.boards.accelerator import Images
from macaw.boards.attachment import Attachment
from macaw.boards.board import Board
from macaw.boards.catalog import BOARDS, find_board
from macaw.boards.device import find_device
from macaw.boards.stage import silent
from macaw.boards.toolchain import implement
from macaw.boards.top import BoardTop
from macaw.hw.config import EngineConfig
from macaw.hw.errors import UserError
from macaw.hw.primitives.target import Family

SMALL = EngineConfig(p=1, m=2, n=2, feature_depth=64, weight_depth=32, program_depth=64, tap_depth=16)

LARGEST_BITSTREAM = {"iCE40UP5K": 104_090, "iCE40HX8K": 135_100, "iCE40LP8K": 135_100, "LFE5U": 1_960_000, "LFE5UM5G": 1_960_000}
"""Bytes, by the beginning of the part."""

_USER_BITSTREAM = {"tinyfpga-bx": 0x2_8000}
"""Behind a boot loader's own."""


def _files(board: Board, attachment: Attachment) -> dict[str, str]:
    top = BoardTop(board, SMALL, attachment=attachment)
    plan = board.platform().build(top, name="macaw", do_build=False, emit_src=False)
    return {name: text.decode() if isinstance(text, bytes) else text for name, text in plan.files.items()}


def _pins(files: dict[str, str]) -> str:
    return files[next(name for name in files if name.endswith((".lpf", ".pcf", ".cst")))]


@pytest.mark.parametrize("name", ["ulx3s-85f", "icebreaker", "tang-nano-9k"])
def test_spi_pins(name: str) -> None:
    pins = _pins(_files(BOARDS[name], Attachment(link="spi")))
    assert all(f"host_spi_0__{pin}__io" in pins for pin in ("cs", "sck", "copi", "cipo")) and "uart_0" not in pins


@pytest.mark.parametrize("name", ["ulx3s-85f", "icebreaker"])
def test_flash_pins(name: str) -> None:
    board = BOARDS[name]
    files = _files(board, Attachment(weights="flash"))
    pins = _pins(files)
    assert all(f"boot_flash_0__{pin}__io" in pins for pin in ("cs", "copi", "cipo")) and "uart_0__rx__io" in pins
    ecp5 = board.family is Family.ECP5
    assert ("USRMCLK" in files["macaw.il"]) is ecp5 and ("boot_flash_0__clk__io" in pins) is not ecp5


@pytest.mark.parametrize("board", [board for board in BOARDS.values() if board.spi], ids=lambda board: board.name)
def test_spi_pins_exist(board: Board) -> None:
    """On the platform, and used for nothing that the design needs."""
    platform = board.platform()
    assert board.spi is not None
    platform.add_resources([board.spi.resource(board.family)])

    def names(resource: Any) -> set[str]:
        found = set()
        for io in resource.ios:
            pins = io.ios[0] if hasattr(io, "ios") else io
            if hasattr(pins, "map_names"):
                found |= set(pins.map_names(platform._conn_pins, resource))
        return found

    used = names(platform.lookup("host_spi"))
    assert len(used) == 4
    needed = [board.clock_resource, *(light[:2] for light in board.leds if light is not None)]
    assert not any(used & names(platform.lookup(*resource)) for resource in needed)


@pytest.mark.parametrize("board", [board for board in BOARDS.values() if board.flash], ids=lambda board: board.name)
def test_flash_place(board: Board) -> None:
    place = board.flash
    assert place is not None
    (largest,) = (size for part, size in LARGEST_BITSTREAM.items() if re.split("[-]", board.part)[0] == part)
    assert place.address >= _USER_BITSTREAM.get(board.name, 0) + largest and place.address % 4096 == 0
    assert place.address < place.end <= 1 << 24
    offset = re.search(r"-o (\S+)", place.write)
    if offset:
        assert {"1M": 0x10_0000}.get(offset[1]) == place.address or int(offset[1], 0) == place.address
    place.check(place.end - place.address, board.title)
    with pytest.raises(UserError, match="bytes behind the bitstream, the image has"):
        place.check(place.end - place.address + 1, board.title)


def test_rules() -> None:
    with pytest.raises(UserError, match="--link is one of uart, spi, not 'usb'"):
        Attachment(link="usb")
    with pytest.raises(UserError, match="--weights is one of host, .*, not 'disk'"):
        Attachment(weights="disk")
    with pytest.raises(UserError, match="--baud is the rate of a serial line"):
        Attachment(link="spi", baud=115_200)
    with pytest.raises(UserError, match="Colorlight 5A-75B r7.0 has no free pins for an SPI link"):
        Attachment(link="spi").check(find_board("colorlight-5a-75b"))
    with pytest.raises(UserError, match="engine on the tinyVision UPduino v3 cannot be loaded from its flash"):
        Attachment(weights="flash").check(find_board("upduino-v3"))
    with pytest.raises(UserError, match="--device builds the core alone"):
        Attachment(weights="flash").check(find_device("iCE40UP5K-SG48"))
    spram = replace(SMALL, weight_memory="spram")
    with pytest.raises(UserError, match="iCEBreaker lie in single-port RAM, which a bitstream cannot fill: --weights flash"):
        Attachment(weights="bitstream").check_engine(find_board("icebreaker"), spram)
    Attachment(weights="bitstream").check_engine(find_board("icebreaker"), SMALL)


def test_rates() -> None:
    board = find_board("icebreaker")
    assert Attachment(link="spi").rate(board, 20_250_000) == (5, 4_050_000)
    assert Attachment().rate(board, 20_250_000) == (10, 2_000_000)
    assert Attachment(baud=115_200).rate(board, 20_250_000) == (176, 115_200)


def test_contents_in_the_bitstream() -> None:
    images = Images(*(np.arange(count, dtype=np.uint32) for count in (40, 16, 32)))
    top = BoardTop(BOARDS["ulx3s-85f"], SMALL, attachment=Attachment(weights="bitstream"), images=images)
    plan = BOARDS["ulx3s-85f"].platform().build(top, name="macaw", do_build=False, emit_src=False)
    text = plan.files["macaw.il"]
    assert "INITVAL_00" in (text.decode() if isinstance(text, bytes) else text)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["icebreaker", "ulx3s-25f"])
def test_placed_and_routed(name: str, tmp_path: Path) -> None:
    """SPI link and flash at pins that exist, and a bitstream that ends in front of the image."""
    board = BOARDS[name]
    config = replace(SMALL, multiplier_latency=board.multiplier_latency, requantizer_digit=board.requantizer_digit)
    top = BoardTop(board, config, attachment=Attachment(link="spi", weights="flash"))
    result = implement(top, board, tmp_path, seeds=(1,), clock_hz=top.clock_hz, progress=silent)
    assert board.flash is not None and result.bitstream is not None
    assert result.bitstream.stat().st_size <= board.flash.address
