"""Tests of macaw.boards.serial_rate: what a clock makes of a wanted rate, and the sentence where it cannot."""

from __future__ import annotations

import pytest

from macaw.boards.catalog import find_board
from macaw.boards.serial_rate import BRIDGE_BAUDS, FT2232H_BAUDS, serial_rate
from macaw.hw.errors import UserError


@pytest.mark.parametrize(
    ("clock_hz", "wanted", "divisor"),
    [
        (75_000_000, 3_000_000, 25), (75_000_000, 115_200, 651), (48_000_000, 12_000_000, 4), (72_000_000, 12_000_000, 6),
        (20_250_000, 2_000_000, 10), (20_250_000, 5_000_000, 4), (100_000_000, 921_600, 109),
    ],
)  # fmt: skip
def test_wanted(clock_hz: int, wanted: int, divisor: int) -> None:
    assert serial_rate(FT2232H_BAUDS, clock_hz, "board", wanted) == (wanted, divisor)
    assert abs(clock_hz / divisor / wanted - 1) < 0.02


def test_unasked_rates_stay() -> None:
    """The faster rates of a bridge are taken on request only."""
    assert serial_rate(FT2232H_BAUDS, 96_000_000, "board") == (3_000_000, 32)
    assert find_board("icebreaker").baud(20_250_000) == 2_000_000


@pytest.mark.parametrize(
    ("clock_hz", "wanted", "part"),
    [
        (20_250_000, 3_000_000, r"20.25 MHz cannot make 3000000 baud: 7 cycles a bit, .* are 2892857 baud, 3.6 % off .* as 21\."),
        (20_250_000, 12_000_000, r"4 cycles a bit, where 4 is the least, are 5062500 baud, 57.8 % off .* as 48\."),
        (75_000_000, 12_000_001, "can have 300 to 12000000 baud, not 12000001"),
        (75_000_000, 10, "not 10; at 75 MHz these rates fit: 4000000, 3000000,"),
    ],
)
def test_refused(clock_hz: int, wanted: int, part: str) -> None:
    with pytest.raises(UserError, match=part):
        serial_rate(FT2232H_BAUDS, clock_hz, "board", wanted)


def test_bridge_is_the_limit() -> None:
    with pytest.raises(UserError, match="serial line of the board can have 300 to 3000000 baud, not 6000000"):
        serial_rate(BRIDGE_BAUDS, 48_000_000, "board", 6_000_000)
