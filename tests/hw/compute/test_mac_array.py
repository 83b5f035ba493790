# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.compute.mac_array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from macaw.hw.compute.binary_weight_dot import BinaryWeightDot
from macaw.hw.compute.int4_dot import Int4Dot
from macaw.hw.compute.mac_array import MacArray
from macaw.hw.compute.paired_dot import PairedDot
from macaw.hw.compute.ternary_dot import TernaryDot
from macaw.hw.compute.ternary_weight_dot import TernaryWeightDot
from macaw.hw.compute.xnor_popcount import XnorPopcount
from macaw.hw.config import EngineConfig
from macaw.hw.products import PRODUCTS
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [(1, 1, 1, 2, 0), (3, 5, 7, 3, 4), (2, 4, 1, 2, 0), (2, 2, 2, 2, 4)]
_PRODUCTS = [
    (1, 3, 2, tuple(PRODUCTS)), (1, 2, 1, tuple(PRODUCTS)), (2, 2, 1, ("binaryxbinary",)), (1, 4, 1, ("int4xint4", "int8xternary")),
    (2, 4, 2, ("int8xbinary", "binaryxbinary")), (1, 5, 1, ("binaryxbinary",)),
]  # fmt: skip


def _told(config: EngineConfig) -> dict[str, Any]:
    return {
        "p": config.p, "m": config.m, "n": config.n, "latency": MacArray.latency_of(config), "products": config.products,
        "paired": config.paired_products,
    }  # fmt: skip


@pytest.mark.parametrize("simulator", ["verilator"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for p, m, n, multiplier, logic_dots in _SHAPES:
        config = EngineConfig(p=p, m=m, n=n, multiplier_latency=multiplier, logic_dots=logic_dots)
        array = MacArray(config)
        assert array.latency == multiplier + {1: 0, 2: 1, 4: 2, 5: 3}[m] == MacArray.latency_of(config)
        units.append((array, _told(config)))
    for p, m, n, products in _PRODUCTS:
        config = EngineConfig(p=p, m=m, n=n, products=products, multiplier_latency=2)
        array = MacArray(config)
        units.append((array, _told(config)))
    assert run_gallery("mac_array", units, tmp_path, simulator=simulator) == 2


_DOTS = {
    "int4xint4": Int4Dot, "ternaryxternary": TernaryDot, "binaryxbinary": XnorPopcount, "int8xternary": TernaryWeightDot,
    "int8xbinary": BinaryWeightDot,
}  # fmt: skip


@pytest.mark.parametrize("name", _DOTS)
def test_no_dot_product_is_slower_than_stated(name: str) -> None:
    for m in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 64):
        config = EngineConfig(p=1, m=m, n=1, products=(name,))
        dot: Any = PairedDot(m, spreading=False) if config.paired_products else _DOTS[name](m)
        assert dot.latency <= MacArray.latency_of(config)
        assert len(dot.total) >= config.sum_width >= PRODUCTS[name].largest(m).bit_length() + 1


@pytest.mark.parametrize("m", [2, 6, 8, 62])
def test_paired_products_are_one_dot_product(m: int) -> None:
    config = EngineConfig(p=1, m=m, n=1, products=("int8xbinary", "binaryxbinary"))
    dot = PairedDot(m, spreading=True)
    assert MacArray.latency_of(config) == dot.latency
    assert config.sum_width == len(dot.total)
    assert MacArray.latency_of(EngineConfig(p=1, m=m, n=1, products=(*config.products, "int4xint4"))) > dot.latency
    for products in (("int8xbinary",), ("int8xbinary", "int8xint8")):
        assert EngineConfig(p=1, m=m, n=1, products=products).paired_products == ()
    assert EngineConfig(p=1, m=m + 1, n=1, products=config.products).paired_products == ()


def test_several_products_take_a_register_more() -> None:
    both = EngineConfig(p=1, m=8, n=1, products=("int8xint8", "binaryxbinary"), multiplier_latency=2)
    alone = (EngineConfig(p=1, m=8, n=1, products=(name,), multiplier_latency=2) for name in both.products)
    assert MacArray.latency_of(both) == max(map(MacArray.latency_of, alone)) + 1
