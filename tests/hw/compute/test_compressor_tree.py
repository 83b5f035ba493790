# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.compute.compressor_tree."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from macaw.hw.compute.compression import Term
from macaw.hw.compute.compressor_tree import CompressorTree
from macaw.hw.primitives.target import Family
from macaw.sim.bench.gallery import run_gallery

_TERNARY = (1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 0, 0, 2)


def _random_terms(count: int) -> list[Term]:
    chance = random.Random(count)
    terms = []
    for _ in range(count):
        values = _TERNARY if chance.random() < 0.2 else tuple(chance.choices((0, 1), k=chance.choice((2, 4))))
        terms.append(Term(chance.randrange(4), values, 1 if len(values) == 16 else chance.choice((1, -1))))
    return terms


@pytest.mark.parametrize("family", [Family.GENERIC, Family.ECP5])
def test_bench(tmp_path: Path, family: Family) -> None:
    units = []
    for terms, constant, width in (
        ([Term(0, (0, 1))], 0, 1),
        ([Term(2, (1, 0), -1)], -3, 4),
        ([Term(0, (0, 1, 1, 0))] * 5, 0, 3),
        ([Term(0, (0, 1))] * 10, 2, 4),
        (_random_terms(3), -7, 6),
        (_random_terms(20), 100, 9),
        (_random_terms(60), -100, 10),
    ):
        tree = CompressorTree(terms, constant, width)
        described = [(term.column, term.values, term.sign) for term in terms]
        units.append((tree, {"terms": described, "constant": constant, "width": width, "latency": tree.latency}))
    assert run_gallery("compressor_tree", units, tmp_path, family=family) == 2


def test_rules() -> None:
    with pytest.raises(ValueError, match="at least one term and one bit"):
        CompressorTree([], 0, 3)
