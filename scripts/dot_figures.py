"""Look-up tables and clock of the low-precision dot products alone. `python -m macaw.scripts.dot_figures --help`.

Writes docs/figures/dot_products.json and the table between the markers in docs/dot-products.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..boards.out_of_context import implement_component
from ..hw.compute.adder_tree import AdderTree
from ..hw.compute.binary_weight_dot import BinaryWeightDot
from ..hw.compute.bit_plane_dot import BitPlaneDot
from ..hw.compute.int4_dot import Int4Dot
from ..hw.compute.paired_dot import PairedDot, PairTerm
from ..hw.compute.ternary_dot import TernaryDot
from ..hw.compute.ternary_weight_dot import TernaryWeightDot
from ..hw.compute.xnor_popcount import XnorPopcount
from .console import CONSOLE, run_command
from .marked_section import write_section

__all__ = ["SECTION", "main", "table"]

SECTION = "dot-products"
"""Name of the section."""
_CLOCK_HZ = 250_000_000


class _AdderTreePopcount(wiring.Component):
    """XNOR and a registered tree of two-input adders, as a description with ``+`` gives it: the yardstick."""

    def __init__(self, m: int) -> None:
        tree = AdderTree(8 * m, 2)
        self.latency = tree.latency
        self._tree = tree
        super().__init__({"activations": In(8 * m), "weights": In(8 * m), "total": Out(signed(len(tree.total)))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.tree = self._tree
        equal = ~(self.activations ^ self.weights)
        m.d.comb += [term.eq(Cat(bit, 0)) for term, bit in zip(self._tree.terms, equal, strict=True)]
        m.d.comb += self.total.eq(self._tree.total)
        return m


_DOTS: list[tuple[str, int, Callable[[], Any]]] = [
    *(("XnorPopcount", 8 * m, partial(XnorPopcount, m)) for m in (8, 16, 32)),
    ("XNOR, tree of adders", 128, partial(_AdderTreePopcount, 16)),
    *(("PairedDot, binary alone", 8 * m, partial(PairedDot, m, spreading=False)) for m in (8, 16, 32)),
    *(("PairTerm of it, for all lanes", 8 * m, partial(PairTerm, m, spreading=False)) for m in (8, 16, 32)),
    *(("PairedDot, int8 x binary as well", 8 * m, partial(PairedDot, m, spreading=True)) for m in (8, 16, 32)),
    *(("PairTerm of that, for all lanes", 8 * m, partial(PairTerm, m, spreading=True)) for m in (8, 16, 32)),
    *(("TernaryDot", 4 * m, partial(TernaryDot, m)) for m in (8, 16, 32)),
    ("Int4Dot", 16, partial(Int4Dot, 8)),
    *(("BinaryWeightDot", m, partial(BinaryWeightDot, m)) for m in (8, 16)),
    ("TernaryWeightDot", 16, partial(TernaryWeightDot, 16)),
    ("BitPlaneDot 2 x 2 bits", 32, partial(BitPlaneDot, 32, 2, 2, signed_activations=False)),
    ("BitPlaneDot 4 x 1 bits", 32, partial(BitPlaneDot, 32, 4, 1, signed_activations=False)),
]
"""Title, products and how to make each."""


def _measure(title: str, products: int, make: Callable[[], Any], seeds: Sequence[int]) -> dict[str, Any]:
    results = []
    for seed in seeds:
        with tempfile.TemporaryDirectory(dir=".") as folder:
            dot = make()
            results.append(implement_component(dot, Path(folder), seed=seed, clock_hz=_CLOCK_HZ))
    first = results[0]
    # nextpnr counts every slot of a carry chain, the unused one at its end included.
    luts = max(result.resources.luts for result in results)
    return {
        "title": title, "products": products, "luts": luts, "latency": dot.latency, "seeds": list(seeds),
        "fmax_hz": [result.fmax_hz for result in results], "versions": first.versions,
    }  # fmt: skip


def table(figures: Mapping[str, Any]) -> str:
    """Markdown of the measurements and of the peers' figures."""
    lines = [
        "| Dot product | Products | LUT4 | LUT4 a product | Latency | Fmax, lowest and median |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in figures["dots"]:
        clocks = [clock / 1e6 for clock in row["fmax_hz"]]
        lines.append(
            f"| {row['title']} | {row['products']} | {row['luts']} | {row['luts'] / row['products']:.2f} | "
            f"{row['latency']} | {min(clocks):.0f}, {statistics.median(clocks):.0f} MHz |"
        )
    lines += ["", "| Other project's | LUT4 a product | Fmax | What is counted |", "|---|---:|---:|---|"]
    for row in figures["peers"]:
        lines.append(
            f"| {row['title']} | {row['luts'] / row['products']:.2f} | {row['fmax_mhz']:g} MHz | {row['scope']} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="dot_figures", description="LUTs and Fmax of the low-precision dot products.")
    parser.add_argument("--seeds", type=int, default=3, help="placements of each")
    parser.add_argument("--only", default="", help="measure those whose title contains this, keep the other figures")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of dot-products.md")
    arguments = parser.parse_args(argv)

    def command() -> None:
        path = arguments.docs / "figures" / "dot_products.json"
        figures = json.loads(path.read_text())
        known = {(row["title"], row["products"]): row for row in figures["dots"]}
        for title, products, make in _DOTS:
            if arguments.only in title:
                row = _measure(title, products, make, range(1, arguments.seeds + 1))
                known[title, products] = row
                CONSOLE.print(f"{title}, {products}: {row['luts']} LUT4, {min(row['fmax_hz']) / 1e6:.0f} MHz")
            # After each: an interrupted run has lost one measurement.
            figures["dots"] = [known[title, products] for title, products, _ in _DOTS if (title, products) in known]
            path.write_text(json.dumps(figures, indent=2) + "\n")
            write_section(arguments.docs / "dot-products.md", SECTION, table(figures))

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
