# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.compute.mac_array."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.compute.mac_array import MacArray
from macaw.hw.config import EngineConfig
from macaw.hw.products import PRODUCTS
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1, 1, 2, 0), (3, 5, 7, 3, 4), (2, 4, 1, 2, 0), (2, 2, 2, 2, 4)]
_PRODUCTS = [(1, 3, 2, tuple(PRODUCTS)), (2, 2, 1, ("binaryxbinary",)), (1, 4, 1, ("int4xint4", "int8xternary"))]


@pytest.mark.parametrize("simulator", ["verilator"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for p, m, n, multiplier, logic_dots in _SHAPES:
        config = EngineConfig(p=p, m=m, n=n, multiplier_latency=multiplier, logic_dots=logic_dots)
        array = MacArray(config)
        assert array.latency == multiplier + {1: 0, 2: 1, 4: 2, 5: 3}[m] == MacArray.latency_of(config)
        units.append((array, {"p": p, "m": m, "n": n, "latency": array.latency, "products": config.products}))
    for p, m, n, products in _PRODUCTS:
        config = EngineConfig(p=p, m=m, n=n, products=products, multiplier_latency=2)
        array = MacArray(config)
        units.append((array, {"p": p, "m": m, "n": n, "latency": array.latency, "products": products}))
    assert run_gallery("mac_array", units, tmp_path, simulator=simulator) == 2
