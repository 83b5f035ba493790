"""How a network lies on the array: which of its axes is the row, and which kernel positions of its first layer are folded."""

from __future__ import annotations

from dataclasses import dataclass

from .graph import Graph
from .input_folding import fold_input
from .orientation import turn

__all__ = ["Arrangement"]


@dataclass(frozen=True)
class Arrangement:
    """``turned``: rows and columns of all maps exchanged. ``fold``: rows and columns of the first layer's kernel that
    become channels, after turning."""

    turned: bool = False
    fold: tuple[int, int] | None = None

    def apply(self, graph: Graph) -> Graph:
        """``graph`` in this arrangement; what the host sees of the model does not change."""
        if self.turned:
            graph = turn(graph)
        return graph if self.fold is None else fold_input(graph, *self.fold)

    @property
    def key(self) -> tuple[bool, int, int]:
        """For an order among arrangements."""
        return self.turned, *(self.fold or (0, 0))

    def __str__(self) -> str:
        parts = ["turned"] if self.turned else []
        if self.fold is not None:
            parts.append(f"{self.fold[0]}x{self.fold[1]} folded")
        return ", ".join(parts)
