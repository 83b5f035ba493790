"""The report of a build: `report.json` for programs, `report.html` (one self-contained file) for people."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from ..boards.board import Board
from ..boards.catalog import BOARDS, find_destination
from ..boards.device import Device
from ..hw.errors import UserError

__all__ = ["reproducing_command", "write_report"]

NOT_MEASURED = "not measured"
"""What a figure shows that nobody has measured."""

_ELAPSED = ("seconds", "cycles_per_second")
"""Keys of elapsed times: they are left out, so that equal builds have equal reports."""

_PARTS = (
    ("steps", "array works"),
    ("parameters", "loads parameters"),
    ("stalls", "waits for the drain"),
    ("drain", "drains the last pixels"),
    ("overhead", "fetch, decode, flush"),
    ("waiting", "waits for weights and maps from the external memory"),
)
"""Parts of a layer's cycles (sim/cost/cycles.py), which sum to all of them."""

_RESOURCES = (
    ("luts", "LUTs"),
    ("registers", "registers"),
    ("block_rams", "block RAMs"),
    ("multipliers", "multipliers"),
    ("single_port_rams", "single-port RAMs"),
)


def write_report(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write ``report.json`` and ``report.html`` of the build in ``folder``, each at once or not at all.

    ``manifest`` is the content of ``build.json``; the result of a verification is taken from ``folder/verify.json`` if it
    is there and readable. Equal builds give equal files: elapsed times are left out. A figure that is missing is null in
    the JSON file, or absent, and "not measured" in the HTML file.
    """
    figures = _without_elapsed(dict(manifest)) | {"verification": _without_elapsed(_verification(folder))}
    text = json.dumps(figures, indent=2, sort_keys=True) + "\n"
    page = _template().render(**_page(figures, folder.resolve().name))
    for name, content in (("report.json", text), ("report.html", page)):
        temporary = folder / f".{name}"
        temporary.write_text(content, encoding="utf-8")
        os.replace(temporary, folder / name)


def _verification(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / "verify.json").read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _without_elapsed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_elapsed(item) for key, item in value.items() if key not in _ELAPSED}
    if isinstance(value, list | tuple):
        return [_without_elapsed(item) for item in value]
    return value


def reproducing_command(manifest: Mapping[str, Any], folder: str) -> str:
    """The command line that makes the same build again, with everything that the compiler chose written out."""
    engine = manifest.get("engine") or {}
    board = str(manifest.get("board", "BOARD"))
    where = "--device" if board not in BOARDS and isinstance(_board(board), Device) else "--board"
    words = ["macaw", "build", str(manifest.get("model", "MODEL")), where, board]
    if all(name in engine for name in ("p", "m", "n")):
        words += ["--array", f"{engine['p']},{engine['m']},{engine['n']}"]
    if "depth" in engine:
        words += ["--depth", str(engine["depth"])]
    if manifest.get("wanted_hz"):
        words += ["--clock", f"{manifest['wanted_hz'] / 1e6:g}"]
    if manifest.get("rounding"):
        words += ["--rounding", str(manifest["rounding"])]
    implementation = manifest.get("implementation")
    words += ["--seed", str(implementation["seed"])] if implementation else ["--no-route"]
    return " ".join(
        [*(f"'{word}'" if " " in word else word for word in words), "-o", f"'{folder}'" if " " in folder else folder]
    )


# The page: everything is computed here, the template only places it.


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    source = resources.files("macaw.scripts").joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source)


def _count(value: Any) -> str:
    return NOT_MEASURED if value is None else f"{value:,}"


def _share(value: Any, digits: int = 1) -> str:
    return NOT_MEASURED if value is None else f"{100 * value:.{digits}f} %"


def _mhz(hertz: Any) -> str:
    return NOT_MEASURED if hertz is None else f"{hertz / 1e6:.4g} MHz"


def _size(count: float) -> str:
    return f"{count:,.0f} bytes" if count < 1024 else f"{count / 1024:,.1f} KiB"


def _rate(value: Any) -> str:
    if value is None:
        return NOT_MEASURED
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.4g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _board(name: Any) -> Board | Device | None:
    try:
        return find_destination(str(name))
    except UserError:
        return None


def _page(figures: Mapping[str, Any], folder: str) -> dict[str, Any]:
    engine = figures.get("engine") or {}
    board = _board(figures.get("board"))
    verification = figures.get("verification")
    implementation = figures.get("implementation")
    array = " × ".join(str(engine.get(name, "?")) for name in ("p", "m", "n"))
    return {
        "title": f"{figures.get('model', 'network')} on {board.title if board else figures.get('board', 'a board')}",
        "model": figures.get("model", NOT_MEASURED),
        "board": board.title if board else str(figures.get("board", NOT_MEASURED)),
        "part": board.part if board else "",
        "array": array,
        "depth": engine.get("depth"),
        "arrangement": figures.get("arrangement"),
        "slots": engine["p"] * engine["m"] * engine["n"] if all(name in engine for name in "pmn") else None,
        "cards": _cards(figures, verification, implementation),
        "state": _state(verification),
        "bitstream": _bitstream(implementation, figures.get("project")),
        "parts": [{"key": key, "text": text} for key, text in _PARTS],
        "layers": _layers(figures),
        "streamed": figures.get("external") is not None,
        "spilled": bool((figures.get("external") or {}).get("map_bytes_read")),
        "total": _total(figures),
        "memories": _memories(figures.get("memories") or {}, engine),
        "resources": _resources(figures, implementation, board),
        "comparisons": _comparisons(verification),
        "verification": _verification_facts(verification),
        "deviations": figures.get("deviations"),
        "candidates": _candidates(figures.get("candidates") or (), engine),
        "facts": _facts(figures, implementation),
        "command": reproducing_command(figures, folder),
        "not_measured": NOT_MEASURED,
    }


def _cards(
    figures: Mapping[str, Any], verification: Mapping[str, Any] | None, implementation: Mapping[str, Any] | None
) -> list[dict[str, str]]:
    cycles, clock_hz = figures.get("cycles"), figures.get("clock_hz")
    accuracy = ((verification or {}).get("accuracy") or {}).get("rtl")
    latency = _duration(cycles / clock_hz) if cycles and clock_hz else NOT_MEASURED
    products = figures.get("products")
    return [
        {
            "title": "inferences a second",
            "value": _rate(figures.get("inferences_per_second")),
            "note": f"{latency} each at {_mhz(clock_hz)}; the engine alone, without the host link",
        },
        {
            "title": "cycles",
            "value": _count(cycles),
            "note": "confirmed by the RTL's counter" if _confirmed(verification, cycles) else "from the cycle model",
        },
        {
            "title": "of the array used",
            "value": _share(figures.get("utilization")),
            "note": f"{_count(products)} products an inference",
        },
        {
            "title": "right classes",
            "value": _share(accuracy),
            "note": (
                f"of {verification['rtl_inputs']:,} inputs, by the RTL"
                if verification and accuracy is not None
                else "needs labelled inputs: macaw verify --inputs"
            ),
        },
        {
            "title": "Fmax",
            "value": _mhz(implementation["fmax_hz"]) if implementation else NOT_MEASURED,
            "note": f"seed {implementation['seed']}, {_mhz(clock_hz)} used"
            if implementation
            else "not placed and routed",
        },
    ]


def _confirmed(verification: Mapping[str, Any] | None, cycles: Any) -> bool:
    return verification is not None and cycles is not None and verification.get("cycles") == cycles


def _state(verification: Mapping[str, Any] | None) -> dict[str, str]:
    if verification is None:
        return {"kind": "open", "text": "not verified"}
    if not verification.get("equal"):
        return {"kind": "bad", "text": "verification failed"}
    return {"kind": "good", "text": "bit-exact"}


def _bitstream(implementation: Mapping[str, Any] | None, project: Mapping[str, Any] | None) -> dict[str, str]:
    if project is not None:
        return {"kind": "open", "text": f"{project.get('tool')} project, not built here"}
    if implementation is None:
        return {"kind": "open", "text": "not placed and routed"}
    if not implementation.get("bitstream"):
        return {"kind": "bad", "text": "no bitstream"}
    return {"kind": "good", "text": str(implementation["bitstream"])}


def _layers(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    layers: Sequence[Mapping[str, Any]] = figures.get("layers") or ()
    longest = max((layer["cycles"] for layer in layers), default=1)
    rows = []
    for layer in layers:
        segments, left = [], 0.0
        for key, text in _PARTS:
            width = 100 * layer.get(key, 0) / longest
            if layer.get(key):
                segments.append(
                    {
                        "key": key,
                        "left": f"{left:.3f}",
                        "width": f"{width:.3f}",
                        "text": f"{text}: {layer[key]:,} cycles",
                    }
                )
            left += width
        products = layer["products"]
        rows.append(
            {
                "name": layer["name"],
                "operator": layer["operator"],
                "shape": f"{_shape(layer['input'])} → {_shape(layer['output'])}",
                "products": _count(products) if products else "–",
                "cycles": _count(layer["cycles"]),
                "share": _share(layer["cycles"] / figures["cycles"]) if figures.get("cycles") else NOT_MEASURED,
                "utilization": _share(layer["utilization"]) if products else "–",
                "bar": f"{100 * min(layer['utilization'], 1.0):.2f}" if products else None,
                "stalls": _count(layer["stalls"]),
                "waiting": _count(layer.get("waiting")),
                "external": [_count(layer.get(key)) for key in ("external_bytes", "map_bytes_read", "map_bytes_written")],
                "reasons": list(layer.get("reasons", ()))[:3],
                "segments": segments,
            }
        )
    return rows


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _total(figures: Mapping[str, Any]) -> dict[str, Any]:
    layers = figures.get("layers") or ()
    cycles = figures.get("cycles")
    outside = None if cycles is None else cycles - sum(layer["cycles"] for layer in layers)
    return {
        "products": _count(figures.get("products")),
        "cycles": _count(cycles),
        "outside": _count(outside),
        "utilization": _share(figures.get("utilization")),
        "stalls": _count(sum(layer["stalls"] for layer in layers)),
        "waiting": _count(sum(layer.get("waiting", 0) for layer in layers)),
        "external": [
            _count((figures.get("external") or {}).get(key)) for key in ("stream_bytes", "map_bytes_read", "written_bytes")
        ],
    }


def _memories(memories: Mapping[str, Any], engine: Mapping[str, Any]) -> list[dict[str, Any]]:
    p, m, n = (engine.get(name) for name in ("p", "m", "n"))
    rows = []
    for key, title, unit, size in (
        ("feature_words", "feature buffer", f"words of {m} bytes in each of {p} banks", p and m and p * m),
        ("weight_words", "weight buffer", f"words of {n} × {m} bytes, parameters included", n and m and n * m),
        ("program_words", "program memory", "words of 4 bytes", 4),
    ):
        entry = memories.get(key)
        if not entry:
            rows.append({"title": title, "unit": unit, "text": NOT_MEASURED, "bar": None, "share": "", "size": ""})
            continue
        used, available = entry
        rows.append(
            {
                "title": title,
                "unit": unit,
                "text": f"{used:,} of {available:,}",
                "bar": f"{100 * used / available:.2f}",
                "share": _share(used / available, 0),
                "size": f"{_size(used * size)} of {_size(available * size)}" if size else "",
            }
        )
    return rows


def _resources(
    figures: Mapping[str, Any], implementation: Mapping[str, Any] | None, board: Board | Device | None
) -> list[dict[str, Any]]:
    estimate = figures.get("estimate") or {}
    measured = (implementation or {}).get("resources") or {}
    rows = []
    for key, title in _RESOURCES:
        capacity = getattr(board.capacity, key) if board else None
        if capacity == 0:
            continue
        value = measured.get(key)
        guess = estimate.get(key)
        shown = guess if value is None else value
        rows.append(
            {
                "title": title,
                "measured": _count(value),
                "estimate": "–" if guess is None else f"{'about ' if key == 'luts' else ''}{guess:,}",
                "capacity": "–" if capacity is None else f"{capacity:,}",
                "share": _share(shown / capacity) if capacity and shown is not None else "–",
                "bar": f"{min(100 * shown / capacity, 100):.2f}" if capacity and shown is not None else None,
            }
        )
    return rows


def _comparisons(verification: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    def verdict(differences: int | None) -> dict[str, str]:
        if differences is None:
            return {"kind": "open", "text": "not compared"}
        if differences == 0:
            return {"kind": "good", "text": "equal"}
        return {"kind": "bad", "text": f"{differences:,} differ"}

    return [
        {
            "name": row["name"],
            "inputs": _count(row["inputs"]),
            "elements": _count(row["elements"]),
            "rtl": verdict(row["rtl_differences"]),
            "reference": verdict(row["reference_differences"]),
        }
        for row in (verification or {}).get("rows", ())
    ]


def _verification_facts(verification: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if verification is None:
        return None
    names = {"reference": verification.get("reference") or "reference", "golden": "golden model", "rtl": "RTL"}
    return {
        "inputs": f"{verification['inputs']:,} {'random' if verification.get('random') else 'given'} inputs",
        "reference": verification.get("reference") or "",
        "cycles": _count(verification.get("cycles")),
        "predicted": _count(verification.get("predicted_cycles")),
        "cycles_equal": verification.get("cycles") == verification.get("predicted_cycles"),
        "stalls": _count(verification.get("stalls")),
        "accuracy": [
            f"{names.get(name, name)} {_share(share, 2)}"
            for name, share in (verification.get("accuracy") or {}).items()
        ],
    }


def _candidates(candidates: Sequence[Mapping[str, Any]], engine: Mapping[str, Any]) -> list[dict[str, Any]]:
    chosen = ([engine.get(name) for name in ("p", "m", "n")], engine.get("depth"))
    return [
        {
            "chosen": (list(item["array"]), item["depth"]) == chosen,
            "array": _shape(item["array"]),
            "depth": item["depth"],
            "arrangement": item.get("arrangement") or "as it is",
            "cycles": _count(item["cycles"]),
            "rate": _rate(item.get("inferences_per_second")),
            "utilization": _share(item.get("utilization")),
            "luts": _count(item["luts"]),
            "block_rams": _count(item["block_rams"]),
            "multipliers": _count(item["multipliers"]),
        }
        for item in candidates[:10]
    ]


def _seed(implementation: Mapping[str, Any] | None) -> str:
    if not implementation:
        return "not placed and routed"
    missed = (implementation.get("missed") or {}).items()
    before = ", ".join(f"{_mhz(fmax_hz)} with seed {seed}" for seed, fmax_hz in missed)
    return str(implementation["seed"]) + (f" (missed before: {before})" if before else "")


def _facts(figures: Mapping[str, Any], implementation: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    engine = figures.get("engine") or {}
    facts = [
        ("Macaw", str(figures.get("macaw", NOT_MEASURED))),
        ("engine identity", str(figures.get("identity", NOT_MEASURED))),
        ("clock", _mhz(figures.get("clock_hz"))),
        ("serial link", f"{figures['baud']:,} baud" if figures.get("baud") else NOT_MEASURED),
        ("seed", _seed(implementation)),
    ]
    if "accumulator_width" in engine:
        facts.append(("accumulator", f"{engine['accumulator_width']} bits"))
    if "multiplier_width" in engine:
        shifts = ", ".join(map(str, engine.get("shifts", ())))
        nudge = f", nudge {engine['nudge']}" if engine.get("nudge") else ""
        facts.append(("requantizer", f"{engine['multiplier_width']} bit multiplier, shifts {shifts}{nudge}"))
    versions = (implementation or {}).get("versions") or {}
    facts += [(name, str(version)) for name, version in sorted(versions.items())]
    return facts
