"""Who may import whom: the arrows between the folders."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP = ("boards", "compiler", "examples", "export", "hw", "scripts", "sim")

FORBIDDEN = {
    "hw": ("compiler", "sim", "boards", "export", "scripts", "examples"),
    "compiler": ("sim", "boards", "export", "scripts", "examples"),
    "sim": ("boards", "export", "scripts", "examples"),
    "boards": ("compiler", "sim", "export", "scripts", "examples"),
    "export": ("compiler", "sim", "boards", "scripts", "examples"),
}
"""For each folder, those that it must not import."""

ASKED = ("sim.cost",)
"""What the compiler may ask nevertheless: the cost models, which import nothing but hw."""

DEFINITIONS = ("hw.formats", "hw.products", "hw.bus.frame")
"""What the judge shares with the defendant: definitions of formats, no arithmetic."""


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name, from ``macaw`` on, of everything of ours that a file imports."""
    package = ("macaw", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
            stem = start + (node.module or "")
            names = [f"{stem.rstrip('.')}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "macaw":
                yield node.lineno, name


def _begins(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"macaw.{prefix}.") for prefix in prefixes)


def violations(folder: Path, forbidden: tuple[str, ...], allowed: tuple[str, ...] = ()) -> list[str]:
    """Imports of ``folder`` that begin with a forbidden prefix and with no allowed one."""
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sorted(folder.rglob("*.py"))
        for line, name in imported(path)
        if _begins(name, forbidden) and not _begins(name, allowed)
    ]


@pytest.mark.parametrize("folder", sorted(FORBIDDEN))
def test_arrows(folder: str) -> None:
    assert violations(ROOT / folder, FORBIDDEN[folder], ASKED if folder == "compiler" else ()) == []


def test_cost_models_know_hardware_only() -> None:
    assert violations(ROOT / "sim" / "cost", TOP, ("hw", "sim.cost")) == []


def test_the_judge_shares_definitions_only() -> None:
    assert violations(ROOT / "sim" / "golden", TOP, ("sim.golden", *DEFINITIONS)) == []


def test_hardware_does_not_depend_on_test_tools() -> None:
    tools = ("cocotb", "pytest", "hypothesis", "onnx", "onnxruntime", "rich", "typer")
    for path in sorted((ROOT / "hw").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not [name for name in names if name.split(".")[0] in tools], path


def test_the_checks_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "hw" / "bus").mkdir(parents=True)
    text = (
        "from ... import sim\nfrom ...sim import b\nimport macaw.sim.c\nfrom ..x import sim\nimport macaw.sim.cost.d\n"
    )
    (tmp_path / "hw" / "bus" / "a.py").write_text(text)
    assert violations(tmp_path / "hw", ("sim",), ASKED) == [
        "hw/bus/a.py:1 imports macaw.sim",
        "hw/bus/a.py:2 imports macaw.sim.b",
        "hw/bus/a.py:3 imports macaw.sim.c",
    ]
