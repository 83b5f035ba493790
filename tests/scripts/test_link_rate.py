"""The rate of the host link, on the simulated board."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.boards.attachment import Attachment
from macaw.boards.catalog import find_board
from macaw.scripts.link_rate import main, measure


def test_three_megabaud(tmp_path: Path) -> None:
    """At least 90 % of the line in both directions, also behind a bridge that collects bytes for 16 ms."""
    board = find_board("ulx3s-85f")
    for hold in (0.0, 0.016):
        rate = measure(board, Attachment(baud=3_000_000), tmp_path, words=6144, hold_seconds=hold)
        assert rate.line == 300_000 and rate.repetitions == 0
        assert 0.9 * rate.line <= min(rate.write, rate.read) <= max(rate.write, rate.read) < rate.line


@pytest.mark.slow
def test_spi(tmp_path: Path) -> None:
    """A fifth of the clock; every word comes back right."""
    rate = measure(find_board("icebreaker"), Attachment(link="spi"), tmp_path, words=512)
    assert rate.line == pytest.approx(24_000_000 / 5 / 8)
    assert rate.write > 0.2 * rate.line and rate.read > 0.2 * rate.line and rate.repetitions == 0


def test_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--words", "0"]) == 2
    assert main(["--baud", "12000000", "--board", "icebreaker"]) == 2
    assert main(["--link", "spi", "--board", "colorlight-5a-75b"]) == 2
    assert main(["--hold", "-1"]) == 2
    text = " ".join(capsys.readouterr().err.split())
    assert "--words is from 1 to 8192, not 0" in text
    assert "A clock of 24 MHz cannot make 12000000 baud: 4 cycles a bit" in text
    assert "no free pins for an SPI link" in text and "--hold is a time up to 1000 ms" in text
