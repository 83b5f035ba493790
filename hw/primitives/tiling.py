"""How equal block RAM tiles cover a memory that is wider or deeper than one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Tiling", "tiling"]


@dataclass(frozen=True)
class Tiling:
    """A rectangle of tiles, all in the same mode.

    Attributes
    ----------
    mode : int
        Bits of a tile's word.
    slot_width : int
        Bits that share a write enable inside a tile.
    tile_depth : int
        Words of a tile.
    columns, rows : int
        Tiles side by side, and on top of each other.
    """

    mode: int
    slot_width: int
    tile_depth: int
    columns: int
    rows: int

    @property
    def slots(self) -> int:
        """Slots in a tile."""
        return self.mode // self.slot_width

    @property
    def blocks(self) -> int:
        """Tiles in total."""
        return self.columns * self.rows


def tiling(modes: Mapping[int, tuple[int, int]], width: int, depth: int, granularity: int) -> Tiling:
    """The tiling with the fewest blocks; among equals the one with the fewest rows, then the widest tiles.

    ``modes`` gives slot width and depth for each width of a tile. A slot never holds bits of two granules. Rows cost a
    multiplexer behind the tiles, so a tie goes to the tiling without one.
    """
    candidates = []
    for mode, (slot_width, tile_depth) in modes.items():
        slots = width // granularity * -(-granularity // slot_width)
        columns = -(-slots // (mode // slot_width))
        candidates.append(Tiling(mode, slot_width, tile_depth, columns, -(-depth // tile_depth)))
    return min(candidates, key=lambda tiles: (tiles.blocks, tiles.rows, -tiles.mode))
