"""Measured figures of the boards, kept as data beside the command that made each of them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..hw.errors import UserError

__all__ = ["FIGURES", "BoardFigures", "load_figures", "store_figures"]

FIGURES = Path(__file__).with_name("figures.json")
"""The figures that come with Macaw."""


@dataclass(frozen=True, kw_only=True)
class BoardFigures:
    """One network on one board, placed and routed.

    Attributes
    ----------
    board, network : str
    array : tuple of 3 int
        p, m, n.
    depth, cycles : int
    clock_hz : int
    inferences_per_second : float
        Of the engine alone, at ``clock_hz``.
    fmax_hz : dict
        By the seed of the placement, as a string.
    luts, registers, block_rams, multipliers, single_port_rams : int
        Of the whole board's design, with the first seed.
    verilog : str
        SHA-256 of the design's Verilog, `board.v`: seeds of one design belong together.
    others : dict
        Inferences a second of other networks, by name, with an array of the same p, m, n and clock; by the cycle model, not
        placed and routed.
    versions : dict
        Of Macaw and the tools.
    command : str
    """

    board: str
    network: str
    array: tuple[int, int, int]
    depth: int
    cycles: int
    clock_hz: int
    inferences_per_second: float
    fmax_hz: dict[str, int]
    luts: int
    registers: int
    block_rams: int
    multipliers: int
    single_port_rams: int
    verilog: str
    others: dict[str, float]
    versions: dict[str, str]
    command: str

    @property
    def median_fmax_hz(self) -> int:
        """Over the seeds."""
        return round(statistics.median(self.fmax_hz.values()))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BoardFigures:
        """The inverse of ``asdict``."""
        p, m, n = values["array"]
        return cls(**{**values, "array": (p, m, n)})


def load_figures(path: Path = FIGURES) -> dict[str, BoardFigures]:
    """By the board's name; nothing if there is no file. Raises UserError if it is damaged."""
    if not path.exists():
        return {}
    try:
        rows = [BoardFigures.from_dict(values) for values in json.loads(path.read_text())["boards"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"The figures in {path} are damaged: delete it and measure again.") from error
    return {row.board: row for row in rows}


def store_figures(row: BoardFigures, order: Iterable[str], path: Path = FIGURES) -> None:
    """Put a board's figures into the file, in the place of those it had; boards in ``order``."""
    rows = load_figures(path) | {row.board: row}
    known = [rows[name] for name in order if name in rows]
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps({"boards": [asdict(item) for item in known]}, indent=1) + "\n")
    temporary.replace(path)
