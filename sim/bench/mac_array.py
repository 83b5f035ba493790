"""Bench of ``MacArray``: all sums of p windows and n rows, new ones every cycle and with pauses; the latency."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from ...hw.products import PRODUCTS, Product
from ..golden.mac_array import mac_array
from .pipeline import measured_latency, run_pipeline, with_idle
from .unit import Unit, run_units
from .word_bytes import from_word, random_bytes, to_word


def existing(data: NDArray[np.int8], width: int) -> NDArray[np.int8]:
    """The same bytes with ternary codes 10, which are none, as 00."""
    if width != 2:
        return data
    raw = data.view(np.uint8)
    strange = raw & ~(raw << 1) & 0xAA
    return (raw & ~strange).view(np.int8)


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.6])
async def sums(dut: Any, idle: float) -> None:
    """Every sum is exact, in its place, and comes after the stated number of cycles."""

    async def body(unit: Unit) -> None:
        for number, name in enumerate(unit.told["products"]):
            unit.drive(product=number)
            await unit.tick(2)  # a layer's product is stable long before its windows
            await every_sum(unit, PRODUCTS[name], name in unit.told["paired"])

    async def every_sum(unit: Unit, product: Product, paired: bool) -> None:
        p, m, n = unit.told["p"], unit.told["m"], unit.told["n"]
        entries = []
        for _ in range(100):
            windows, weights = random_bytes(unit.chance, p, m), random_bytes(unit.chance, n, m)
            windows, weights = existing(windows, product.activations.width), existing(weights, product.weights.width)
            entries.append({"windows": list(map(to_word, windows)), "weights": list(map(to_word, weights))})
        stimulus = with_idle(unit, entries, idle)
        observed = await run_pipeline(unit, stimulus, lambda: unit.list("sums"))
        expected = [
            mac_array(
                np.array([from_word(word, m) for word in entry["windows"]], np.int8),
                np.array([from_word(word, m) for word in entry["weights"]], np.int8),
                product,
                paired=paired,
            ).tolist()
            for entry in stimulus
        ]
        assert measured_latency(expected, observed) == unit.told["latency"]

    await run_units(dut, body)
