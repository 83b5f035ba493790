"""Table IV of Penkovsky et al., DATE 2020, from the paper's own layers. `python -m macaw.scripts.memory_table --help`.

A convolution has kernel x inputs x outputs weights and one bias an output, a fully connected layer inputs x outputs and one an
output. With a binary classifier the convolutions keep 32 or 8 bits a parameter and the fully connected layers take 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..compiler.graph import Convolution
from ..compiler.model_import import import_model
from ..compiler.number_formats import choose_formats
from ..hw.products import PRODUCTS
from .console import CONSOLE, run_command
from .marked_section import write_section

__all__ = ["SECTION", "PaperNetwork", "main", "memory_tables"]

SECTION = "memory"
"""Name of the section of a page that holds the tables."""


@dataclass(frozen=True, kw_only=True)
class PaperNetwork:
    """A row of the table as it follows from the layers, and as it is printed.

    ``convolutions``, ``classifier``: parameters; ``binary``: of the binary classifier, which may be another one. ``printed``: parameters in all, of the classifier, sizes with
    32 and 8 bits, savings against both.
    """

    name: str
    source: str
    convolutions: int
    classifier: int
    binary: int
    printed: tuple[str, str, str, str, str, str]

    @property
    def parameters(self) -> int:
        """All parameters of the network without binary layers."""
        return self.convolutions + self.classifier

    def saving(self, bits: int) -> float:
        """Share of the memory that a binary classifier saves where all else has ``bits`` bits."""
        return 1 - (self.convolutions * bits + self.binary) / (self.parameters * bits)

    def computed(self) -> tuple[str, str, str, str, str, str]:
        """The row, in the form of ``printed``."""
        size = self.parameters
        return (
            f"{size:,}", f"{self.classifier:,}", f"{4 * size / 2**20:.2f} MiB", f"{size / 1000:,.0f} kB",
            f"{100 * self.saving(32):.1f} %", f"{100 * self.saving(8):.1f} %",
        )  # fmt: skip


def _parameters(layers: Iterable[tuple[int, int, int]]) -> int:
    """Of layers with kernel positions, inputs and outputs."""
    return sum(kernel * inputs * outputs + outputs for kernel, inputs, outputs in layers)


_EEG = _parameters([(30, 1, 40), (64, 40, 40)]), _parameters([(1, 2520, 80), (1, 80, 2)])
_ECG = (
    _parameters([(13, 12, 32), (11, 32, 32), (9, 32, 32), (7, 32, 32), (5, 32, 32)]),
    _parameters([(1, 5152, 75), (1, 75, 2)]),
)
_ECG_SHORT = _ECG[0], _parameters([(1, 113 * 32, 75), (1, 75, 2)])

NETWORKS = (
    PaperNetwork(
        name="EEG", source="Table I", convolutions=_EEG[0], classifier=_EEG[1], binary=_EEG[1],
        printed=("0.31M", "0.2M", "1.17MB", "305KB", "64%", "57.8%"),
    ),
    PaperNetwork(
        name="ECG", source="Table II", convolutions=_ECG[0], classifier=_ECG[1], binary=_ECG[1],
        printed=("0.31M", "0.27M", "1.17MB", "305KB", "84%", "75.8%"),
    ),
    PaperNetwork(
        name="ECG", source="Table II's layers on 556 samples", convolutions=_ECG_SHORT[0], classifier=_ECG_SHORT[1],
        binary=_ECG_SHORT[1], printed=("0.31M", "0.27M", "1.17MB", "305KB", "84%", "75.8%"),
    ),
    PaperNetwork(
        name="ImageNet", source="3.2M + 1.025M, binary 5.7M", convolutions=3_200_000, classifier=1_025_000, binary=5_700_000,
        printed=("4.2M", "1M", "16.2MB", "4.1MB", "20%", "7.3%"),
    ),
)  # fmt: skip
"""The paper's rows. The counts of the last are those of its text: MobileNet's layers are not in it."""


def _paper_table() -> list[str]:
    heads = ("parameters", "classifier", "32 bits", "8 bits", "saved of 32", "saved of 8")
    lines = [f"| Network | From | {' | '.join(heads)} |", f"|---|---|{'---:|' * len(heads)}"]
    seen = set()
    for network in NETWORKS:
        if network.name not in seen:
            lines.append(f"| {network.name} | Table IV, as printed | {' | '.join(network.printed)} |")
        seen.add(network.name)
        lines.append(f"| {network.name} | {network.source} | {' | '.join(network.computed())} |")
    return lines


def _model_row(path: Path) -> str:
    """Weights of a model as the engine stores them, without biases, which are part of its requantization parameters."""
    graph = choose_formats(import_model(path, None))
    sizes = {True: [0, 0], False: [0, 0]}
    layers = [node for node in graph.nodes if isinstance(node, Convolution) and "Pool" not in node.operator]
    for node in layers:
        weights = node.weights.size
        bits = weights * PRODUCTS[node.product].weights.width
        part = sizes[node.operator == "Conv"]
        part[0], part[1] = part[0] + weights, part[1] + bits
    (convolutions, first), (classifier, last) = sizes[True], sizes[False]
    whole = convolutions + classifier
    return (
        f"| `{path.name}` | {convolutions:,} | {classifier:,} | {first / 8 / 1000:,.1f} kB | {last / 8 / 1000:,.1f} kB "
        f"| {100 * (1 - (first + last) / (8 * whole)):.1f} % |"
    )


def memory_tables(models: Sequence[Path]) -> str:
    """The paper's table and, if there are ``models``, theirs, in Markdown."""
    lines = _paper_table()
    if models:
        heads = ("convolution weights", "classifier weights", "memory: convolutions", "classifier", "saved of 8 bits")
        lines += ["", f"| Model | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
        lines += [_model_row(path) for path in models]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="memory_table", description="The paper's memory table, as printed and as computed.")
    parser.add_argument("models", type=Path, nargs="*", help="models whose weights are counted as well")
    parser.add_argument("--page", type=Path, help=f"page whose section <!-- {SECTION} --> is written anew")
    arguments = parser.parse_args(argv)

    def command() -> None:
        if arguments.page:
            write_section(arguments.page, SECTION, memory_tables(arguments.models))
        else:
            CONSOLE.print(memory_tables(arguments.models))

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
