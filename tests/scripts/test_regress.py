"""The regression script: what it starts and what its exit code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.scripts import regress


def test_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        regress.main([])
    assert ended.value.code == 2 and "--fast, --full, --random N, or several" in capsys.readouterr().err


def test_not_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert regress.main(["--full"]) == 2
    assert "run it from the root of a checkout" in capsys.readouterr().err


def test_failing_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tests" / "scripts").mkdir(parents=True)
    (tmp_path / "tests" / "test_it.py").write_text("def test_it():\n    assert False\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    monkeypatch.chdir(tmp_path)
    assert regress.main(["--full", "--workers", "0"]) == 1
    assert "exit code 1" in capsys.readouterr().err
    (tmp_path / "tests" / "test_it.py").write_text("def test_it():\n    pass\n")
    assert regress.main(["--fast", "--workers", "0"]) == 0
    (tmp_path / "tests" / "test_it.py").write_text("import os\n\n\ndef test_it():\n    pass\n")
    assert regress.main(["--fast", "--workers", "0"]) == 1
    assert "ruff has found something" in capsys.readouterr().err


def test_fast_tier_leaves_out_what_is_there() -> None:
    """Each pattern is of test files of the checkout, and some of each kind are left."""
    root = Path(__file__).parents[2]
    for pattern in regress.COMPILING:
        assert any(path.suffix == ".py" for path in root.glob(pattern)), pattern
    left = {path for path in root.glob("tests/**/test_*.py")} - {path for p in regress.COMPILING for path in root.glob(p)}
    assert {path.parent.name for path in left} >= {"boards", "compiler", "hw", "golden", "sim", "scripts"}


@pytest.mark.slow
def test_random_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert regress.main(["--random", "1", "--networks", "2", "--seed", "103"]) == 0
    output = capsys.readouterr().out
    assert "seeds 103 to 103" in output and output.count("seed 103:") == 4
