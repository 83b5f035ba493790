"""The paper's memory table: the numbers that follow from its layers, and the page that shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.scripts.marked_section import marks
from macaw.scripts.memory_table import NETWORKS, SECTION, main, memory_tables

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "ecg-eeg.md"
BEGIN, END = marks(SECTION)


def models() -> list[Path]:
    return sorted(ROOT.glob("examples/ecg/*.onnx")) + sorted(ROOT.glob("examples/eeg/*.onnx"))


def test_the_rows() -> None:
    """EEG agrees with what is printed; ECG's printed row is that of no network of Table II."""
    eeg, ecg, short, _ = NETWORKS
    assert (eeg.convolutions, eeg.classifier) == (1200 + 40 + 102_400 + 40, 201_600 + 80 + 160 + 2)
    assert eeg.computed() == ("305,522", "201,842", "1.17 MiB", "306 kB", "64.0 %", "57.8 %")
    assert ecg.convolutions == 37_920 and ecg.classifier == 386_627
    assert ecg.computed()[4:] == ("88.2 %", "79.7 %")
    assert round(short.parameters / 1e6, 2) == 0.31 and round(short.classifier / 1e6, 2) == 0.27


def test_the_page_is_that_of_the_models() -> None:
    text = PAGE.read_text()
    assert text.split(BEGIN)[1].split(END)[0].strip() == memory_tables(models())


def test_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"a\n{BEGIN}\nold\n{END}\nz\n")
    assert main(["--page", str(page)]) == 0
    assert page.read_text() == f"a\n{BEGIN}\n{memory_tables([])}\n{END}\nz\n"
    page.write_text("nothing")
    assert main(["--page", str(page)]) == 2
    assert "needs the marks" in capsys.readouterr().err
    assert main([]) == 0
    assert "Table IV, as printed" in capsys.readouterr().out
