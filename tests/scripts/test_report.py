"""The report: complete, self-contained, the same for the same build, and silent about what nobody has measured."""

from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from macaw.scripts.report import NOT_MEASURED, reproducing_command, write_report

VERIFICATION: dict[str, Any] = {
    "inputs": 360, "rtl_inputs": 360, "cycles": 30734, "predicted_cycles": 30734, "stalls": 0, "reference": "ONNX Runtime",
    "accuracy": {"reference": 0.9861, "golden": 0.9861, "rtl": 0.9861}, "cycles_per_second": 123.4, "random": False,
    "equal": True,
    "rows": [
        {"name": "conv1", "inputs": 20, "elements": 20480, "rtl_differences": 0, "reference_differences": 0},
        {"name": "output", "inputs": 360, "elements": 3600, "rtl_differences": 0, "reference_differences": None},
    ],
}  # fmt: skip

IMPLEMENTATION: dict[str, Any] = {
    "board": "ulx3s-85f", "seed": 7, "clock_hz": 100_000_000, "fmax_hz": 131_250_000, "netlist": {},
    "resources": {"luts": 6123, "registers": 5012, "block_rams": 20, "multipliers": 148, "single_port_rams": 0},
    "versions": {"yosys": "0.70", "nextpnr-ecp5": "0.11"}, "seconds": {"synthesis": 31.0}, "bitstream": "macaw.bit",
}  # fmt: skip


class _Page(HTMLParser):
    """Text of a page; checks that its tags are balanced and that it needs nothing from elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "img", "iframe")
        assert not {name for name, _ in attrs} & {"src", "href", "onclick", "onload"}
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


@pytest.fixture
def manifest(small_build: Path) -> dict[str, Any]:
    return dict(json.loads((small_build / "build.json").read_text()))


def _text(folder: Path) -> str:
    page = (folder / "report.html").read_text()
    assert "http" not in page and "url(" not in page and "@import" not in page
    return re.sub(r"\s+", " ", _Page(page).text)


def test_of_a_build(small_build: Path) -> None:
    text = _text(small_build)
    manifest = json.loads((small_build / "build.json").read_text())
    for part in (
        "digits_int8.onnx on Radiona ULX3S 85F", "Engine 1 × 4 × 2, depth 1: 8 products a cycle", "not verified",
        "not placed and routed", f"{manifest['cycles']:,}", "Deviations from the reference",
        manifest["identity"], "macaw build digits_int8.onnx --board ulx3s-85f --array 1,4,2 --depth 1 --clock 75 --no-route",
        "few input channels: 3 for 4 bytes of a word", "network 1x3 folded",
    ):  # fmt: skip
        assert part in text, part
    assert text.count(NOT_MEASURED) >= 5  # accuracy, Fmax and the cells of the device
    for layer in manifest["layers"]:
        assert layer["name"] in text
    report = json.loads((small_build / "report.json").read_text())
    assert report["verification"] is None and report["implementation"] is None
    assert report["layers"] == manifest["layers"] and "seconds" not in report
    assert list(small_build.glob(".*")) == [small_build / ".macaw"]  # nothing that is half written


def test_equal_builds_have_equal_reports(tmp_path: Path, manifest: dict[str, Any]) -> None:
    other = json.loads(json.dumps(manifest), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    other["seconds"] = {"generate": 1234.5}
    for number, figures in enumerate((manifest, other)):
        folder = tmp_path / str(number) / "build"
        folder.mkdir(parents=True)
        (folder / "verify.json").write_text(json.dumps(VERIFICATION | {"cycles_per_second": number}))
        write_report(folder, figures)
    for name in ("report.json", "report.html"):
        assert (tmp_path / "0" / "build" / name).read_bytes() == (tmp_path / "1" / "build" / name).read_bytes()


def test_verified_and_routed(tmp_path: Path, manifest: dict[str, Any]) -> None:
    (tmp_path / "verify.json").write_text(json.dumps(VERIFICATION | {"cycles": manifest["cycles"]}))
    before = copy.deepcopy(manifest)
    write_report(tmp_path, manifest | {"implementation": IMPLEMENTATION})
    assert manifest == before
    text = _text(tmp_path)
    for part in (
        "bit-exact", "macaw.bit", "98.6 %", "of 360 inputs, by the RTL", "131.2 MHz", "seed 7", "6,123", "5,012",
        "ONNX Runtime 98.61 %", "not compared", "confirmed by the RTL's counter", "yosys", "--seed 7",
    ):  # fmt: skip
        assert part in text, part
    assert "not placed and routed" not in text and "not verified" not in text
    assert json.loads((tmp_path / "report.json").read_text())["implementation"]["fmax_hz"] == 131_250_000


def test_failed_verification(tmp_path: Path, manifest: dict[str, Any]) -> None:
    rows = [VERIFICATION["rows"][0] | {"rtl_differences": 17}]
    (tmp_path / "verify.json").write_text(json.dumps(VERIFICATION | {"rows": rows, "equal": False, "cycles": 1}))
    write_report(tmp_path, manifest)
    text = _text(tmp_path)
    assert "verification failed" in text and "17 differ" in text and "bit-exact" not in text
    assert "from the cycle model" in text and "different" in text


def test_deviations(tmp_path: Path, manifest: dict[str, Any]) -> None:
    item = {"node": "conv<9>", "operator": "Conv", "steps": 1, "reason": "float32 ties & more"}
    write_report(tmp_path, manifest | {"deviations": [item]})
    text = _text(tmp_path)
    assert "conv<9> (Conv), by 1 step of the output: float32 ties & more" in text and "certified exact" not in text


@pytest.mark.parametrize("broken", ["", "{", "[]", "null"])
def test_unreadable_verification_is_none(tmp_path: Path, manifest: dict[str, Any], broken: str) -> None:
    (tmp_path / "verify.json").write_text(broken)
    write_report(tmp_path, manifest)
    assert "not verified" in _text(tmp_path)


def test_missing_figures_are_not_invented(tmp_path: Path) -> None:
    write_report(tmp_path, {"model": "some.onnx"})
    text = _text(tmp_path)
    assert "some.onnx" in text and text.count(NOT_MEASURED) > 12
    assert not re.search(r"\d+ %|\d+ MHz", text)


def test_every_figure_may_be_missing(tmp_path: Path, manifest: dict[str, Any]) -> None:
    for key in manifest:
        write_report(tmp_path, {name: value for name, value in manifest.items() if name != key})
        _text(tmp_path)


def test_reasons_of_the_digits(manifest: dict[str, Any]) -> None:
    for layer in manifest["layers"]:
        assert bool(layer["reasons"]) == (layer["utilization"] < 0.85)
        assert sum(layer["slots"].values()) == pytest.approx(1)
        assert layer["slots"].get("useful", 0) == layer["utilization"]


def test_reproducing_command_is_quoted(manifest: dict[str, Any]) -> None:
    command = reproducing_command(manifest | {"model": "my net.onnx"}, "my folder")
    assert "'my net.onnx'" in command and command.endswith("--no-route -o 'my folder'")
