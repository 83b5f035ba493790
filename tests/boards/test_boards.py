# amaranth: UnusedElaboratable=no
"""Descriptions of the boards, their catalog, and a build of each without the tools."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macaw.boards.board import Board
from macaw.boards.catalog import BOARDS, find_board, find_destination
from macaw.boards.device import PARTS, find_device
from macaw.boards.flow import flow_of
from macaw.boards.harness import Harness
from macaw.boards.resources import Resources, check_fit
from macaw.boards.top import BoardTop
from macaw.hw.config import EngineConfig
from macaw.hw.errors import CheckFailed, UserError
from macaw.hw.primitives.target import Family, family_of

SMALL = EngineConfig(p=2, m=2, n=2, feature_depth=64, weight_depth=32, program_depth=64, tap_depth=16)

each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))


def test_find_board() -> None:
    for name, board in BOARDS.items():
        assert board.name == name
        assert find_board(name) is find_board(name.upper()) is board
    with pytest.raises(UserError, match=r"no board 'ulx3s'. Did you mean 'ulx3s-\d\df'\? Boards: arty-a7-100t, .*upduino"):
        find_board("ulx3s")
    with pytest.raises(UserError, match=r"no board 'xyz'. Boards: arty-a7-100t, arty-z7-20, .*, ulx3s-85f, upduino-v3\."):
        find_board("xyz")


def test_find_destination() -> None:
    assert find_destination("icebreaker") is BOARDS["icebreaker"]
    assert find_destination("LFE5U-45F-6BG381C") is PARTS["LFE5U-45F-6BG381C"]
    with pytest.raises(UserError, match="no board 'ulx4s'"):
        find_destination("ulx4s")
    with pytest.raises(UserError, match="no part 'LFE5U-99F'"):
        find_destination("LFE5U-99F")


@each_board
def test_description(board: Board) -> None:
    platform = board.platform()
    assert family_of(platform) is board.family
    resource = platform.lookup(*board.clock_resource)
    assert resource.clock.frequency == board.input_hz
    assert {"rx", "tx"} <= {subsignal.name for subsignal in platform.lookup(*board.uart_resource).ios}
    for light in board.leds:
        if light is not None:
            names = {subsignal.name for subsignal in platform.lookup(*light[:2]).ios if hasattr(subsignal, "name")}
            assert light[2:] in ((), *((name,) for name in names))
    assert board.link and board.program
    # The PLL reaches it exactly.
    assert board.clock_hz() == board.default_clock_hz


@each_board
def test_part(board: Board) -> None:
    """The part is the platform's device, package and speed."""
    platform = board.platform()
    if board.family is Family.ECP5:
        assert board.part == f"{platform.device}-{platform.speed}{platform.package}C"
    elif board.vendor == "Vivado":
        assert board.part == platform._part.upper()
    elif board.vendor:
        assert board.part == f"{platform.device}{platform.package}{platform.speed}"
    elif board.family is Family.GOWIN:
        assert board.part == platform.part
        assert board.nextpnr_arguments[-1] == f"family={platform._chipdb_device}"
    else:
        assert board.part == f"{platform.device}-{platform.package}"


@each_board
def test_engine_parameters(board: Board) -> None:
    EngineConfig(
        p=1, m=1, n=1, multiplier_latency=board.multiplier_latency, requantizer_digit=board.requantizer_digit,
        weight_memory=board.weight_memory,
    )  # fmt: skip


@each_board
def test_serial_rate(board: Board) -> None:
    for megahertz in (20, 24, 25, 33, 50, 62.5, 77, 100, 125, 150, 200):
        _check_serial_rate(board, board.clock_hz(round(megahertz * 1e6)))


def _check_serial_rate(board: Board, clock_hz: int) -> None:
    baud, divisor = board.baud(clock_hz), board.divisor(clock_hz)
    assert baud >= min(1_000_000, board.bauds[0])
    assert divisor >= 8
    assert abs(clock_hz / divisor / baud - 1) < 0.015


def test_no_serial_rate() -> None:
    board = replace(BOARDS["icebreaker"], bauds=(10_000_000,))
    with pytest.raises(UserError, match=r"No serial rate .* fits a clock of 24 MHz; choose another --clock"):
        board.divisor(24_000_000)


class _Echo(wiring.Component):
    """In the harness's place: small."""

    def __init__(self) -> None:
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "led": Out(3)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += [self.tx.eq(self.rx), self.led.eq(self.led + 1)]
        return m


def _pll_cell(board: Board) -> str:
    if board.family is Family.ECP5:
        return "EHXPLLL"
    if board.vendor:
        return {"Vivado": "PLLE2_BASE", "Quartus": "altera_pll"}[board.vendor]
    return "rPLL" if board.family is Family.GOWIN else "SB_PLL40_PAD" if board.pll_on_pad else "SB_PLL40_CORE"


@each_board
@pytest.mark.parametrize("use_pll", [True, False])
def test_build_without_tools(board: Board, use_pll: bool) -> None:
    top = BoardTop(board, SMALL, None if use_pll else board.input_hz, design=_Echo())
    plan = board.platform().build(top, name="macaw", do_build=False, emit_src=False)

    def text(name: str) -> str:
        content = plan.files[name]
        return content.decode() if isinstance(content, bytes) else content

    if board.vendor:
        assert (f"  {_pll_cell(board)} #(" in text("macaw.v")) is use_pll
    else:
        assert (f"cell \\{_pll_cell(board)} " in text("macaw.il")) is use_pll
    pins = text(next(name for name in plan.files if name.endswith((".lpf", ".pcf", ".cst", ".xdc", ".qsf"))))
    clock = board.platform().lookup(*board.clock_resource).ios[0]
    clock_pin = rf"{board.clock_resource[0]}_0__io\W.*\b(PIN_)?{clock.names[0]}\b|LOC {clock.names[0]} .*{board.clock_resource[0]}_0__io"
    assert re.search(clock_pin, pins)
    assert "uart_0__rx__io" in pins and "uart_0__tx__io" in pins
    for light in board.leds:
        if light is not None:
            assert "__".join((f"{light[0]}_{light[1]}", *light[2:], "io")) in pins


@pytest.mark.parametrize("name", ["ulx3s-12f", "icebreaker", "tinyfpga-bx", "tang-nano-9k"])
def test_whole_design_without_tools(name: str) -> None:
    """With the engine in it, once for each family."""
    board = BOARDS[name]
    plan = board.platform().build(BoardTop(board, SMALL), name="macaw", do_build=False, emit_src=False)
    assert _pll_cell(board).encode() in bytes(plan.files["macaw.il"], "utf-8")


@each_board
def test_same_design_same_files(board: Board) -> None:
    def digest() -> bytes:
        plan = board.platform().build(BoardTop(board, SMALL, design=_Echo()), name="macaw", do_build=False, emit_src=False)
        return bytes(plan.digest())

    assert digest() == digest()


def test_boards_of_vendors() -> None:
    """They have no open flow, and their parts are none for --device."""
    for name in ("arty-a7-100t", "arty-z7-20", "de10-nano"):
        board = BOARDS[name]
        with pytest.raises(UserError, match=rf"is built by {board.vendor}, not by open tools: `macaw build` writes a project"):
            flow_of(board)
        with pytest.raises(UserError, match="There is no part"):
            find_device(board.part)


def test_clock_out_of_reach() -> None:
    with pytest.raises(UserError, match="cannot make 500 MHz"):
        BoardTop(BOARDS["ulx3s-85f"], SMALL, 500_000_000)


def test_harness_rules() -> None:
    with pytest.raises(UserError, match="clock of a harness must be from 1 kHz to 1 GHz, not 1 Hz"):
        Harness(SMALL, divisor=8, clock_hz=1)


def test_check_fit() -> None:
    fitting = Resources(luts=5280, registers=10, block_rams=30, multipliers=8, single_port_rams=4)
    check_fit(fitting, BOARDS["icebreaker"])
    with pytest.raises(
        CheckFailed, match=r"needs 5281 of 5280 LUTs \(.*\); 9 of 8 multiplier cells \(choose fewer pro"
    ):
        check_fit(replace(fitting, luts=5281, multipliers=9), BOARDS["icebreaker"])
