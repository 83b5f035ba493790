"""The page on import lists the operators that the importers take, no more and no fewer."""

from __future__ import annotations

import re
from pathlib import Path

from macaw.compiler.onnx_import import HANDLERS as ONNX
from macaw.compiler.qonnx_import import QONNX_HANDLERS
from macaw.compiler.tflite_import import HANDLERS as TFLITE

PAGE = (Path(__file__).parents[2] / "docs" / "import.md").read_text()


def listed(heading: str) -> set[str]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    return {name for cell in cells if cell not in ("Operator", "---") for name in cell.split(", ")}


def test_tensorflow_lite_operators() -> None:
    assert listed("TensorFlow Lite") == set(TFLITE)


def test_qonnx_operators() -> None:
    assert listed("QONNX") == {operator for _, operator in QONNX_HANDLERS}


def test_onnx_operators() -> None:
    assert listed("ONNX") == {operator for _, operator in ONNX}
