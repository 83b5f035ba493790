"""Pairs of words for dot products: every pair where they are few, else the extremes, single bits and random words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .pipeline import measured_latency, run_pipeline, with_idle
from .unit import Unit

__all__ = ["judge_dot", "word_pairs"]

_EXHAUSTIVE_BITS = 12


def word_pairs(
    unit: Unit, activations: Callable[[int], int] = int, weights: Callable[[int], int] = int
) -> list[tuple[int, int]]:
    """Pairs of activation and weight word. ``activations`` and ``weights`` turn a word into one whose codes all exist."""
    widths = [unit.width(name) for name in ("activations", "weights")]
    if sum(widths) <= _EXHAUSTIVE_BITS:
        return [(activations(a), weights(w)) for a in range(1 << widths[0]) for w in range(1 << widths[1])]
    bytes_ = [0x00, 0xFF, 0x80, 0x7F, 0x88, 0x77, 0x55, 0xAA, 0x01]
    extremes = [
        [int.from_bytes(bytes([byte] * -(-width // 8)), "little") & (1 << width) - 1 for byte in bytes_]
        for width in widths
    ]
    pairs = [(a, w) for a in extremes[0] for w in extremes[1]]
    singles = [1 << unit.chance.randrange(min(widths)) for _ in range(20)]
    pairs += [(a, w) for a in singles for w in (0, a, (1 << widths[1]) - 1)]
    for _ in range(300):
        pairs.append((unit.chance.getrandbits(widths[0]), unit.chance.getrandbits(widths[1])))
    return [(activations(a), weights(w)) for a, w in pairs]


async def judge_dot(
    unit: Unit, golden: Callable[[int, int], int], idle: float, activations: Callable[[int], int] = int,
    weights: Callable[[int], int] = int,
) -> None:  # fmt: skip
    """Fails unless every total of :func:`word_pairs` is what ``golden`` gives, the stated number of cycles later."""
    entries: list[dict[str, Any]] = [
        {"activations": a, "weights": w} for a, w in word_pairs(unit, activations, weights)
    ]
    stimulus = with_idle(unit, entries, idle)
    observed = await run_pipeline(unit, stimulus, lambda: unit.peek("total"))
    expected = [golden(entry["activations"], entry["weights"]) for entry in stimulus]
    assert measured_latency(expected, observed) == unit.told["latency"]
