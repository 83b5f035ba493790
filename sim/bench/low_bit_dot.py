"""Bench of dot products of two words of few bits: all small words, extremes and random words, a pair every cycle and with
pauses; the latency. Told: ``golden``, the name of the component's golden model; ``m`` bytes of a word; ``latency``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np

from ..golden.binary_weight_dot import binary_weight_dot
from ..golden.int4_dot import int4_dot
from ..golden.ternary_dot import ternary_dot
from ..golden.ternary_weight_dot import ternary_weight_dot
from ..golden.xnor_popcount import xnor_popcount
from .unit import Unit, run_units
from .word_pairs import judge_dot


def _existing(pitch: int) -> Callable[[int], int]:
    """Turns a word into one in which no ternary code, one every ``pitch`` bits, is 10: such a code becomes 00."""

    def of(word: int) -> int:
        ones = sum(1 << place for place in range(0, word.bit_length() + 1, pitch))
        return word & ~(~(word & ones) << 1 & ones << 1)

    return of


_DOTS: dict[str, tuple[Callable[..., Any], Any, Callable[[int], int], Callable[[int], int]]] = {
    "xnor_popcount": (xnor_popcount, np.uint8, int, int),
    "ternary_dot": (ternary_dot, np.uint8, _existing(2), _existing(2)),
    "int4_dot": (int4_dot, np.uint8, int, int),
    "binary_weight_dot": (binary_weight_dot, np.int8, int, int),
    "ternary_weight_dot": (ternary_weight_dot, np.int8, int, _existing(8)),
}
"""Golden model, how it takes the activations' bytes, and which words it is defined for."""


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.6])
async def totals(dut: Any, idle: float) -> None:
    """Every total is exact and comes after the stated number of cycles."""

    async def body(unit: Unit) -> None:
        model, kind, activations, weights = _DOTS[unit.told["golden"]]
        m = unit.told["m"]

        def golden(a: int, w: int) -> int:
            return int(model(np.frombuffer(a.to_bytes(m, "little"), kind), np.frombuffer(w.to_bytes(m, "little"), np.uint8)))

        await judge_dot(unit, golden, idle, activations, weights)

    await run_units(dut, body)
