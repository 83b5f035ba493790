# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.control.flash_loader and macaw.hw.bus.flash_reader, and of the images that they load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from macaw.boards.accelerator import Images
from macaw.boards.flash_image import flash_image
from macaw.hw.bus.flash_reader import FlashReader
from macaw.hw.control.flash_loader import FlashLoader
from macaw.hw.control.register_map import BootStatus, Region, region_address
from macaw.hw.errors import UserError
from macaw.sim.bench.flash_boot import FlashBoot
from macaw.sim.bench.flash_loader import SoundMemory
from macaw.sim.golden.flash_loader import DAMAGED, LOADED, NO_IMAGE, OTHER_ENGINE, load
from macaw.sim.golden.frame_bridge import FrameBridgeModel
from macaw.sim.golden.spi_flash import SpiFlashModel
from macaw.sim.simulator import run_bench

_IDENTITY = 0x0123456789ABCDEF
_ADDRESS = 0x1_0040


def _images(program: int, taps: int, weights: int) -> Images:
    chance = np.random.default_rng(5)
    return Images(*(chance.integers(0, 1 << 32, count, dtype=np.uint32) for count in (program, taps, weights)))


@pytest.mark.parametrize("sizes", [(3, 0, 0), (128, 5, 1), (129, 0, 700), (300, 40, 128 * 130)])
def test_image(sizes: tuple[int, int, int]) -> None:
    """Every word lands where the host would have put it."""
    images = _images(*sizes)
    core = SoundMemory()
    assert load(flash_image(_IDENTITY, images).data, _IDENTITY, FrameBridgeModel(128, core)) == LOADED
    regions: Any = Region
    expected = {
        region_address(region, offset): int(word)
        for region, words in ((regions.PROGRAM, images.program), (regions.TAPS, images.taps), (regions.WEIGHTS, images.weights))
        for offset, word in enumerate(words)
    }
    assert core.words == expected


def test_every_flipped_bit() -> None:
    """In the golden model: no flipped bit goes unseen, and none but those in the gaps and the PING leads to a program."""
    image = flash_image(_IDENTITY, _images(140, 3, 30))
    first, ping, last, end = image.requests
    for at in (*range(first), *range(first, end, 3)):
        data = bytearray(image.data)
        data[at] ^= 1 << at % 8
        core = SoundMemory()
        status = load(bytes(data), _IDENTITY, FrameBridgeModel(128, core))
        if at < first:
            assert status == (NO_IMAGE if at < 4 else OTHER_ENGINE)
        elif ping + 14 <= at < last:
            assert status == LOADED  # no request
        else:
            assert status == DAMAGED
            assert (region_address(Region.PROGRAM, 0) in core.words) <= (ping <= at < ping + 14 or at >= last)


def test_codes() -> None:
    assert (LOADED, NO_IMAGE, OTHER_ENGINE, DAMAGED) == (
        BootStatus.LOADED, BootStatus.NO_IMAGE, BootStatus.OTHER_ENGINE, BootStatus.DAMAGED
    )  # fmt: skip


def test_flash_model() -> None:
    """The commands of the model, bit by bit: asleep it knows one."""
    flash = SpiFlashModel(b"\x12\x34\x56", 4, wake=50)

    def command(sent: bytes, count: int) -> bytes:
        bits = []
        for byte in sent + bytes(count):
            for bit in range(7, -1, -1):
                flash.cycle(True, False, bool(byte >> bit & 1))
                bits.append(flash.cycle(True, True, bool(byte >> bit & 1)))
        flash.cycle(False, False, False)
        levels = bits[8 * len(sent) :]
        return bytes(int("".join(map(str, levels[at : at + 8])), 2) for at in range(0, len(levels), 8))

    assert command(b"\x03\x00\x00\x01", 2) == b"\xff\xff"
    command(b"\xab", 0)
    assert command(b"\x9f", 2) == b"\xff\xff"
    assert command(b"\x03\x00\x00\x01", 4) == b"\x34\x56\xff\x12"
    assert command(b"\x0b\x00\x00\x02\x00", 1) == b"\x56"


@pytest.mark.parametrize(
    ("name", "value"), [("address", 1 << 24), ("half_cycles", 0), ("half_cycles", 17), ("wake_cycles", 0), ("address", True)]
)
def test_parameter_rules(name: str, value: int) -> None:
    with pytest.raises(UserError, match=f"Parameter {name} of the flash reader must be an integer from"):
        FlashReader(**({"address": 0, "half_cycles": 1, "wake_cycles": 10} | {name: value}))


def test_identity_rule() -> None:
    with pytest.raises(UserError, match="must be a number of 64 bits"):
        FlashLoader(1 << 64)


@pytest.mark.parametrize(("half_cycles", "simulator", "tests"), [(1, "verilator", "."), (3, "icarus", "foreign|erased")])
def test_bench(tmp_path: Path, half_cycles: int, simulator: str, tests: str) -> None:
    images = _images(140, 5, 150)
    image = flash_image(_IDENTITY, images)
    contents = tmp_path / "contents"
    contents.write_bytes(b"\xa5" * _ADDRESS + image.data)
    timing = {"half_cycles": half_cycles, "wake_cycles": 200}
    run_bench(
        FlashBoot(_IDENTITY, _ADDRESS, **timing), top="flash_boot", test_module="macaw.sim.bench.flash_loader",
        build_dir=tmp_path, simulator=simulator, test_filter=tests,
        parameters=timing | {
            "address": _ADDRESS, "identity": _IDENTITY, "contents": str(contents), "requests": image.requests,
            "words": images.words, "last_words": 128, "program": region_address(Region.PROGRAM, 0),
        },
    )  # fmt: skip
