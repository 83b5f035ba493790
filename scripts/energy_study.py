"""The accelerator paper's energy and scheduling study, run again. `python -m macaw.scripts.energy_study --help`.

Writes the tables of docs/energy.md, all designs as docs/figures/energy_designs.csv and their plot energy_designs.svg.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..sim.energy.energy_model import SCHEDULES, Design, Energy, energy, schedule
from ..sim.energy.exploration import Point, explore, pareto
from ..sim.energy.layer_shape import LayerShape
from ..sim.energy.loop_order import kernel_first, pixel_first
from ..sim.energy.memory_technology import ACCUMULATORS, RRAM, SRAM
from ..sim.energy.networks import NETWORKS
from .console import CONSOLE, run_command, stages
from .marked_section import write_section

__all__ = ["TABLE_6", "breakdown", "main", "table_6"]

TABLE_6: dict[str, tuple[str, str]] = {
    "read_features": ("0.29", "0.29"),
    "read_weights": ("2119", "383"),
    "read_dram": ("841", "929"),
    "write_features": ("1.04", "1.04"),
    "write_weights": ("50.4", "0.64"),
    "write_dram": ("2.08", "2.08"),
    "standby": ("1691", "1686"),
    "calculate": ("526", "526"),
    "total": ("5230", "3527"),
}
"""The paper's Table 6 as printed, in uJ: 1 MB RRAM and 128 KB SRAM weight buffer."""

_ACCOUNTS = {
    "none, as in the paper": "none",
    "window registers": "windows",
    "p * m bytes every cycle": "steps",
}
_VGG = NETWORKS["vgg-11"]


def table_6() -> tuple[Energy, Energy]:
    """The two designs of Table 6: kernel first, best pinned weights, 1 MB feature buffers."""
    designs = (Design(features=SRAM[3], weights=weights, reload=1.25) for weights in (RRAM[0], SRAM[0]))
    first, second = (energy(_VGG, design, schedule(_VGG, design, SCHEDULES[2])) for design in designs)
    return first, second


def _table(head: Sequence[str], rows: Sequence[Sequence[object]], text_columns: int = 1) -> str:
    line = "|" + "|".join("---" if k < text_columns else "---:" for k in range(len(head))) + "|"
    return "\n".join([f"| {' | '.join(head)} |", line, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def _loop_orders() -> str:
    rows = []
    for groups, p, kernel in ((8, 8, 3), (16, 8, 3), (16, 8, 5)):
        for name, accesses in (
            ("kernel first, window registers", kernel_first(groups, p, kernel)),
            ("kernel first, no registers", kernel_first(groups, p, kernel, window_registers=False)),
            ("pixel first", pixel_first(groups, p, kernel)),
        ):
            rows.append(
                (name, groups, p, kernel, accesses.inputs, accesses.weights, accesses.sum_reads, accesses.sum_writes)
            )
    return _table(("Order", "Groups", "p", "K", "Input reads", "Weight reads", "Sum reads", "Sum writes"), rows)


def breakdown() -> str:
    """Table 6 beside the model."""
    rrams, srams = table_6()
    rows = [
        (
            line.replace("_", " "),
            TABLE_6[line][0],
            f"{getattr(rrams, line):.2f}",
            TABLE_6[line][1],
            f"{getattr(srams, line):.2f}",
        )
        for line in TABLE_6
    ]
    return _table(("uJ", "RRAM, printed", "RRAM, model", "SRAM, printed", "SRAM, model"), rows)


def _schedules() -> str:
    rows = []
    for weights in RRAM:
        design = Design(features=SRAM[0], weights=weights, accumulator=ACCUMULATORS[1])
        spent = []
        for kind in SCHEDULES:
            plan = schedule(_VGG, design, kind)
            spent.append((plan, energy(_VGG, design, plan)))
        dram = [each.read_dram + each.write_dram for _, each in spent]
        total = [each.total for _, each in spent]
        pinned = sorted(_VGG[index].name for index in spent[2][0].pinned)
        rows.append(
            (
                weights.name,
                *(f"{plan.traffic.total / 1e6:.2f}" for plan, _ in spent),
                f"{100 * (dram[1] / dram[0] - 1):+.0f} %",
                f"{100 * (dram[2] / dram[0] - 1):+.0f} %",
                f"{100 * (total[2] / total[0] - 1):+.1f} %",
                ", ".join(pinned) or "none",
            )
        )
    head = (
        "Weight buffer", "MB, single layer", "MB, cross layer", "MB, pinned", "DDR energy, cross layer",
        "DDR energy, pinned", "All energy, pinned", "Pinned layers",
    )  # fmt: skip
    return _table(head, rows)


def _design(point: Point) -> str:
    depth = point.design.accumulator.depth if point.design.accumulator else "no"
    return f"{point.energy.total:,.0f} uJ: {point.design.features.name}, {point.design.weights.name}, depth {depth}"


def _explored(progress: Callable[[str, float, str], None]) -> tuple[str, dict[str, list[Point]]]:
    """The optimum of both technologies under each accounting, and all points of the first."""
    rows = []
    kept: dict[str, list[Point]] = {}
    cases = [(name, reads, reload) for name, reads in _ACCOUNTS.items() for reload in (1.25, 1.0)]
    for done, (name, reads, reload) in enumerate(cases):
        progress("designs", done / len(cases), f"feature reads: {name}, reload {reload}")
        points = {
            technology: list(explore(_VGG, buffers, feature_reads=reads, reload=reload))
            for technology, buffers in (("RRAM", RRAM), ("SRAM", SRAM))
        }
        kept = kept or points
        best = [min(each, key=lambda point: point.energy.total) for each in points.values()]
        rows.append(
            (name, reload, *map(_design, best), f"{100 * (best[0].energy.total / best[1].energy.total - 1):+.1f} %")
        )
    progress("designs", 1.0, "")
    return _table(
        ("Feature reads charged", "Reload", "Best with RRAM", "Best with SRAM", "RRAM to SRAM"), rows, 4
    ), kept


def _accumulation() -> str:
    rows = []
    for weights in (RRAM[0], SRAM[0]):
        for reads in ("none", "windows"):
            plain = Design(features=SRAM[3], weights=weights, reload=1.25, feature_reads=reads)
            plan = schedule(_VGG, plain, SCHEDULES[2])
            base = energy(_VGG, plain, plan).on_chip
            cells = []
            for accumulator in ACCUMULATORS:
                # Pixel first reads the buffer at every step, whatever registers stand behind it.
                design = replace(plain, accumulator=accumulator, feature_reads="none" if reads == "none" else "steps")
                cells.append(f"{100 * (energy(_VGG, design, plan).on_chip / base - 1):+.1f} %")
            charged = "not charged" if reads == "none" else "window registers (kernel first), every cycle (pixel first)"
            rows.append((weights.name, charged, *cells))
    return _table(("Weight buffer", "Feature reads", *(f"depth {each.depth}" for each in ACCUMULATORS)), rows, 2)


def _write_points(points: Mapping[str, list[Point]], folder: Path) -> None:
    with (folder / "energy_designs.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            (
                "weights",
                "weight_bytes",
                "feature_bytes",
                "accumulator_depth",
                "area_um2",
                "pinned_layers",
                "external_bytes",
                "total_uj",
            )
        )
        for technology, each in points.items():
            for point in each:
                design = point.design
                writer.writerow(
                    (
                        technology, design.weights.size, design.features.size,
                        design.accumulator.depth if design.accumulator else 0, round(design.area_um2),
                        " ".join(str(index + 1) for index in sorted(point.plan.pinned)), point.plan.traffic.total,
                        f"{point.energy.total:.1f}",
                    )
                )  # fmt: skip


def _plot(points: Mapping[str, list[Point]], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "macaw"
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for (technology, each), mark in zip(points.items(), ("o", "s"), strict=True):
        (dots,) = axes.plot(
            [point.design.area_um2 / 1e6 for point in each],
            [point.energy.total for point in each],
            mark,
            markersize=3,
            alpha=0.5,
            label=technology,
        )
        front = pareto(each)
        axes.step(
            [point.design.area_um2 / 1e6 for point in front],
            [point.energy.total for point in front],
            where="post",
            color=dots.get_color(),
            linewidth=1,
        )
    axes.set(xlabel="area of on-chip memories, mm²", ylabel="energy of an inference, µJ (model)", yscale="log")
    axes.legend(title="weight buffer")
    figure.savefig(path, metadata={"Date": None})


def _own_network(name: str, layers: Sequence[LayerShape]) -> str:
    """Traffic by layer of a network in the smallest buffers of the study."""
    design = Design(features=SRAM[0], weights=RRAM[0], accumulator=ACCUMULATORS[1])
    plan = schedule(layers, design, SCHEDULES[1])
    rows = []
    for segment in plan.segments:
        names = ", ".join(layer.name for layer in layers[segment.first : segment.end])
        traffic = segment.traffic
        rows.append(
            (
                names,
                segment.order,
                segment.tiles,
                segment.parts,
                f"{traffic.weights:,}",
                f"{traffic.features_read:,}",
                f"{traffic.features_written:,}",
            )
        )
    steps = plan.steps(layers, design.p, design.m, design.n)
    used = sum(layer.products for layer in layers) / (steps * design.p * design.m * design.n)
    table = _table(
        ("Layers", "Schedule", "Tiles", "Weight parts", "Weights read", "Features read", "Features written"), rows, 2
    )
    return (
        f"{name}, {design.p} x {design.m} x {design.n}, {design.features.name} feature buffers, {design.weights.name} weight buffer: "
        f"{steps:,} cycles, {100 * used:.1f} % of the slots, {plan.traffic.total:,} external bytes.\n\n{table}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="energy_study", description=(__doc__ or "").split(" `")[0])
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder with energy.md and figures/")
    arguments = parser.parse_args(argv)

    def command() -> None:
        page, figures = arguments.docs / "energy.md", arguments.docs / "figures"
        with stages() as progress:
            best, points = _explored(progress)
        write_section(page, "loop-orders", _loop_orders())
        write_section(page, "table-6", breakdown())
        write_section(page, "schedules", _schedules())
        write_section(page, "accumulation", _accumulation())
        write_section(page, "designs", best)
        write_section(
            page, "networks", "\n\n".join(_own_network(name, NETWORKS[name]) for name in ("vgg-11", "resnet-34"))
        )
        _write_points(points, figures)
        _plot(points, figures / "energy_designs.svg")
        CONSOLE.print(f"{page}, {figures / 'energy_designs.csv'} and {figures / 'energy_designs.svg'} written.")

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
