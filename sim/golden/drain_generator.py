"""Golden model of the drain generator: finished pixels, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["DrainEvent", "drain_tiles", "event_times"]


@dataclass(frozen=True)
class DrainEvent:
    """One finished pixel."""

    slot: int
    pixel: int
    row_end: bool
    map_end: bool


def drain_tiles(
    p: int, depth: int, *, rows: int, row_groups: int, tail: int, output_groups: int
) -> Iterator[list[DrainEvent]]:
    """Tiles of ``depth`` pixel groups, the last of a map shorter; ``tail`` pixels in the last group of a row."""
    groups = [(row, column) for row in range(rows) for column in range(row_groups)]
    for _ in range(output_groups):
        for start in range(0, len(groups), depth):
            tile = []
            for slot, (row, column) in enumerate(groups[start : start + depth]):
                pixels = tail if column == row_groups - 1 else p
                for pixel in range(pixels):
                    row_end = column == row_groups - 1 and pixel == pixels - 1
                    tile.append(DrainEvent(slot, pixel, row_end, row_end and row == rows - 1))
            yield tile


def event_times(tile: Sequence[DrainEvent], pixel_interval: int, group_interval: int) -> tuple[list[int], int]:
    """Cycles after ``start`` in which the events of a tile come, and in which the next tile may start."""
    times = [1 + index * pixel_interval for index in range(len(tile))]
    return times, times[-1] - 1 + (group_interval if tile[-1].map_end else pixel_interval)
