# amaranth: UnusedElaboratable=no
"""Descriptions of the boards, their catalog, and a build of each without the tools."""

from __future__ import annotations

from dataclasses import replace

import pytest

from macaw.boards.board import Board
from macaw.boards.catalog import BOARDS, find_board
from macaw.boards.harness import Harness
from macaw.boards.resources import Resources, check_fit
from macaw.boards.top import BoardTop
from macaw.hw.config import EngineConfig
from macaw.hw.errors import CheckFailed, UserError
from macaw.hw.primitives.target import family_of

SMALL = EngineConfig(p=2, m=2, n=2, feature_depth=64, weight_depth=32, program_depth=64, tap_depth=16)

each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))


def test_find_board() -> None:
    for name, board in BOARDS.items():
        assert board.name == name
        assert find_board(name) is find_board(name.upper()) is board
    with pytest.raises(UserError, match=r"no board 'ulx3s'. Did you mean 'ulx3s-85f'\? Boards: icebreaker, ulx3s-85f"):
        find_board("ulx3s")
    with pytest.raises(UserError, match=r"no board 'xyz'. Boards: icebreaker, ulx3s-85f"):
        find_board("xyz")


@each_board
def test_description(board: Board) -> None:
    platform = board.platform()
    assert family_of(platform) is board.family
    resource = platform.lookup(*board.clock_resource)
    assert resource.clock.frequency == board.input_hz
    platform.lookup(*board.uart_resource)
    assert board.clock_hz() == board.default_clock_hz
    EngineConfig(
        p=1, m=1, n=1, multiplier_latency=board.multiplier_latency, requantizer_digit=board.requantizer_digit,
        weight_memory=board.weight_memory,
    )  # fmt: skip


@each_board
@pytest.mark.parametrize("megahertz", [20, 24, 25, 33, 50, 62.5, 77, 100, 125, 150, 200])
def test_serial_rate(board: Board, megahertz: float) -> None:
    clock_hz = board.clock_hz(round(megahertz * 1e6))
    baud, divisor = board.baud(clock_hz), board.divisor(clock_hz)
    assert baud >= 1_000_000
    assert divisor >= 8
    assert abs(clock_hz / divisor / baud - 1) < 0.015


def test_no_serial_rate() -> None:
    board = replace(BOARDS["icebreaker"], bauds=(10_000_000,))
    with pytest.raises(UserError, match=r"No serial rate .* fits a clock of 24 MHz; choose another --clock"):
        board.divisor(24_000_000)


@each_board
@pytest.mark.parametrize("use_pll", [True, False])
def test_build_without_tools(board: Board, use_pll: bool) -> None:
    top = BoardTop(board, SMALL, None if use_pll else board.input_hz)
    plan = board.platform().build(top, name="macaw", do_build=False, emit_src=False)
    text = plan.files["macaw.il"]
    text = text.decode() if isinstance(text, bytes) else text
    cell = "EHXPLLL" if board.name.startswith("ulx3s") else "SB_PLL40_PAD"
    assert (cell in text) is use_pll
    constraints = plan.files["macaw.lpf" if "macaw.lpf" in plan.files else "macaw.pcf"]
    constraints = constraints.decode() if isinstance(constraints, bytes) else constraints
    assert f"{board.clock_resource[0]}_0__io" in constraints
    assert "uart_0__rx__io" in constraints and "uart_0__tx__io" in constraints


@each_board
def test_same_design_same_files(board: Board) -> None:
    def digest() -> bytes:
        plan = board.platform().build(BoardTop(board, SMALL), name="macaw", do_build=False, emit_src=False)
        return bytes(plan.digest())

    assert digest() == digest()


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
