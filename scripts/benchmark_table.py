"""The README's MLPerf Tiny section, written from the data files of the measurements and of other projects' results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..hw.errors import UserError
from .board_table import memory_cell
from .markdown_table import markdown_table
from .marked_section import write_section

__all__ = ["SECTION", "section", "write_tables"]

SECTION = "mlperf-tiny"
"""Name of the section."""

_TITLES = {
    "ic_resnet8_int8": "ResNet-8, CIFAR-10",
    "kws_dscnn_int8": "DS-CNN, keyword spotting",
    "vww_mobilenet025_int8": "MobileNet v1 0.25, visual wake words",
    "ad_autoencoder_int8": "autoencoder, anomaly detection",
    "sww_dscnn1d_int8": "1-D DS-CNN, streaming wake word",
    "hello_world_int8": "TensorFlow Lite Micro's hello world",
    "micro_speech_int8": "TensorFlow Lite Micro's micro speech",
    "kws_dscnn_qdq_u8s8": "DS-CNN, keyword spotting (ONNX, uint8)",
}
"""In the order of the table; other models follow under their file's name."""


def _share(value: float | None) -> str:
    return "no labels" if value is None else f"{100 * value:.1f} %"


def _cells(row: Mapping[str, Any]) -> list[str]:
    equal = row["outputs"] - row["reference_differences"]
    return [
        _TITLES.get(row["model"], row["model"]),
        row["board"],
        " x ".join(map(str, row["array"])),
        f"{row['products']:,}",
        f"{row['weights']:,}",
        f"{row['cycles']:,}",
        f"{100 * row['utilization']:.1f} %",
        f"{row['clock_hz'] / 1e6:g} MHz",
        *_placed(row),
        f"{row['inferences_per_second']:,.0f}",
        _share(row["accuracy"].get("golden")),
        f"{equal:,} of {row['outputs']:,}",
        f"{row['rtl_inputs']}" if not row["rtl_differences"] else f"{row['rtl_differences']:,} differ",
    ]


def _placed(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Fmax, and cells of the whole board's design."""
    implementation = row["implementation"]
    if not implementation:
        return "not routed", "–", "–", "–"
    used, fmax = implementation["resources"], implementation["fmax_hz"]
    return (
        f"{fmax / 1e6:.1f} MHz" + ("" if fmax >= row["clock_hz"] else ", missed"),
        f"{used['luts']:,}",
        memory_cell(used["block_rams"], used["single_port_rams"]),
        f"{used['multipliers']}",
    )


def _peer_cells(item: Mapping[str, Any]) -> list[str]:
    rate = item["inferences_per_second"]
    return [
        item["design"],
        item["board"],
        f"{item['clock_hz'] / 1e6:g} MHz",
        f"{rate:,.0f}" if rate == round(rate) else f"{rate:,.1f}",
        item["score"],
        item["source"],
    ]


def _order(row: Mapping[str, Any]) -> tuple[int, str, str]:
    names = list(_TITLES)
    return (names.index(row["model"]) if row["model"] in names else len(names), row["model"], row["board"])


def section(measured: Mapping[str, Any], peers: Mapping[str, Any]) -> str:
    """What stands between the marks."""
    rows = sorted(measured["rows"], key=_order)
    own = markdown_table(
        {
            "Model": False, "Board": False, "p x m x n": True, "MACs": True, "Weights": True, "Cycles": True,
            "Array used": True, "Clock": True, "Fmax": True, "LUT": True, "Block RAM": True, "DSP": True, "Inferences/s": True,
            "Accuracy": True, "Outputs equal to the reference": True, "RTL inputs": True,
        },
        [_cells(row) for row in rows],
    )  # fmt: skip
    theirs = markdown_table(
        {"Task, design": False, "Board": False, "Clock": True, "Inferences/s": True, "Score": True, "Source": False},
        [_peer_cells(item) for item in peers["results"]],
    )
    return f"{own}\n\n{peers['title']}\n\n{theirs}"


def write_tables(page: Path, measured: Path, peers: Path) -> None:
    """Write the section of ``page`` anew. Raises UserError if a file or the marks are missing."""
    try:
        data, others = json.loads(measured.read_text()), json.loads(peers.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"The table needs {measured} and {peers}: {error}.") from error
    write_section(page, SECTION, section(data, others))
