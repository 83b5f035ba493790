"""Weights from the board's flash and from the bitstream, and the SPI link: `macaw` to the simulated board."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from macaw.boards.accelerator import Accelerator
from macaw.boards.catalog import find_board
from macaw.boards.flash_image import flash_image
from macaw.boards.link.client import Link
from macaw.boards.link.line import SimulatedSpiLine
from macaw.hw.errors import CheckFailed, UserError
from macaw.scripts.board_link import load_network, read_image, simulated_board
from macaw.scripts.build_folder import load_build
from macaw.scripts.flash import main as flash_main


@pytest.fixture(scope="module")
def flash_build(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """The digits on an iCEBreaker, loaded from its flash, behind SPI."""
    from macaw.scripts.command import main

    folder = tmp_path_factory.mktemp("flash") / "build"
    words = ("--array", "1,4,2", "--weights", "flash", "--link", "spi", "--no-route")
    assert main(["build", str(digits), "--board", "icebreaker", *words, "-o", str(folder)]) == 0
    return folder


def _nothing(stage: str, fraction: float, text: str) -> None:
    pass


def test_power_up(macaw: Any, flash_build: Path, heldout: dict[str, Any], tmp_path: Path) -> None:
    """Switched on, not loaded by the host, right over SPI."""
    inputs = tmp_path / "inputs.npz"
    np.savez(inputs, image=heldout["image"][:2], labels=heldout["labels"][:2])
    ran = macaw("run", flash_build, "--simulate", "--inputs", inputs)
    assert ran.code == 0, ran.errors
    assert "2 inferences on the simulated board" in ran.output and "every output equals the golden model" in ran.output


def test_bad_images(flash_build: Path) -> None:
    """Each gives its sentence and the error light, and the host can load the network in spite of it."""
    build = load_build(flash_build)
    image = bytearray(read_image(build))
    config = build.compilation.config
    first, ping, last, _ = flash_image(config.identity, build.images).requests
    weights, identity, program = bytearray(image), bytearray(image), bytearray(image)
    weights[(first + ping) // 2] ^= 0x10
    identity[5] ^= 1
    program[last + 40] ^= 0x80
    cases = (
        (weights, "the image in the flash is damaged: a checksum is wrong"),
        (program, "the image in the flash is damaged: a checksum is wrong"),
        (identity, "for another engine than"),
        (b"", "there is no image at its place in the flash"),
    )
    for contents, sentence in cases:
        with simulated_board(build, flash=bytes(contents)) as board:
            with Link(SimulatedSpiLine(board.port, build.manifest["baud"]), timeout=60.0) as link:
                engine = Accelerator(link, config, build.compilation.program.maps, timeout=600.0)
                with pytest.raises(UserError, match=f"not loaded from the board's flash: .*{sentence}.*macaw flash DIR"):
                    load_network(build, engine, _nothing)
                assert board.traffic().lights & 4
                with pytest.raises(UserError, match="holds no program made for it"):
                    engine.run()


def test_no_register_boot(flash_build: Path) -> None:
    class Refusing:
        def read(self, address: int, count: int, progress: Any = None) -> Any:
            raise CheckFailed("The core refused the read.")

        def write(self, address: int, words: Any, progress: Any = None) -> None:
            raise AssertionError

    build = load_build(flash_build)
    engine = Accelerator(Refusing(), build.compilation.config, {})
    with pytest.raises(UserError, match="does not load itself from a flash: program the board"):
        engine.check_boot()


def test_flash_image(macaw: Any, flash_build: Path, small_build: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.bin"
    written = macaw("flash", flash_build, "-o", image)
    assert written.code == 0 and image.read_bytes() == (flash_build / "flash.bin").read_bytes()
    assert f"iceprog -o 1M {image}" in " ".join(written.output.split()).replace("- ", "-") and "0x100000" in written.output
    macaw("flash", small_build, "-o", image).refused(2, "not loaded from a flash", "--weights flash")
    macaw("flash", flash_build, "-o", tmp_path / "absent" / "image.bin").refused(2, "cannot be written", "a folder that exists")
    macaw("flash", tmp_path, "-o", image).refused(2, "holds no complete build")
    assert flash_main([str(flash_build), "-o", str(image)]) == 0
    assert find_board("icebreaker").flash is not None


def test_missing_image(macaw: Any, flash_build: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    shutil.copytree(flash_build, folder, ignore=shutil.ignore_patterns("simulation"))
    (folder / "flash.bin").unlink()
    macaw("run", folder, "--simulate").refused(2, "flash.bin is missing: build again")
    macaw("run", folder).refused(2, "Name the SPI port with --port, as /dev/spidev0.0")


def test_refused_builds(macaw: Any, digits: Path, tmp_path: Path) -> None:
    words = ("--array", "1,4,2", "--no-route", "-o", tmp_path / "build")
    for options, parts in (
        (("--board", "icebreaker", "--weights", "bitstream"), ("single-port RAM", "--weights flash")),
        (("--board", "upduino-v3", "--weights", "flash"), ("cannot be loaded from its flash",)),
        (("--board", "colorlight-5a-75b", "--link", "spi"), ("no free pins",)),
        (("--board", "icebreaker", "--link", "i2c"), ("--link is one of uart, spi",)),
        (("--board", "icebreaker", "--clock", "20.25", "--baud", "3000000"), ("3.6 % off", "--clock")),
        (("--board", "icesugar", "--baud", "1000000"), ("can have 300 to 115200 baud",)),
        (("--device", "iCE40UP5K-SG48", "--link", "spi"), ("--device builds the core alone",)),
    ):
        macaw("build", digits, *words, *options).refused(2, *parts)
        assert not (tmp_path / "build" / "build.json").exists()


def test_baud(macaw: Any, digits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    built = macaw("build", digits, "--board", "icebreaker", "--array", "1,4,2", "--baud", "1000000", "--no-route", "-o", folder)
    assert built.code == 0, built.errors
    manifest = json.loads((folder / "build.json").read_text())
    assert (manifest["baud"], manifest["divisor"]) == (1_000_000, 24) and load_build(folder).attachment.baud == 1_000_000


@pytest.mark.slow
def test_bitstream(macaw: Any, digits: Path, heldout: dict[str, Any], tmp_path: Path) -> None:
    """The memories' contents are in the Verilog; the host loads nothing."""
    folder, inputs = tmp_path / "build", tmp_path / "inputs.npz"
    words = ("--board", "ulx3s-85f", "--array", "1,4,2", "--weights", "bitstream", "--no-route", "-o", folder)
    assert macaw("build", digits, *words).code == 0
    np.savez(inputs, image=heldout["image"][:2], labels=heldout["labels"][:2])
    ran = macaw("run", folder, "--simulate", "--inputs", inputs)
    assert ran.code == 0 and "every output equals the golden model" in ran.output, ran.errors
