"""Properties of the golden models of the low-precision dot products: they are dot products of decoded values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from macaw.hw.formats import BINARY, FORMATS, INT4, TERNARY, NumberFormat
from macaw.sim.golden.binary_weight_dot import binary_weight_dot
from macaw.sim.golden.bit_plane_dot import bit_plane_dot
from macaw.sim.golden.int4_dot import int4_dot
from macaw.sim.golden.paired_dot import pair_term, paired_dot
from macaw.sim.golden.ternary_dot import ternary_dot
from macaw.sim.golden.ternary_weight_dot import ternary_weight_dot
from macaw.sim.golden.xnor_popcount import xnor_popcount


def _values(data: st.DataObject, number_format: NumberFormat, count: int) -> np.ndarray:
    element = st.sampled_from(number_format.members)
    return np.array(data.draw(st.lists(element, min_size=count, max_size=count)), np.int8)


@given(data=st.data(), m=st.integers(1, 9), name=st.sampled_from(["binary", "ternary", "int4"]))
def test_decoded(data: st.DataObject, m: int, name: str) -> None:
    number_format = FORMATS[name]
    a, w = (_values(data, number_format, number_format.values(m)) for _ in range(2))
    words = number_format.pack(a), number_format.pack(w)
    dot = int((a.astype(int) * w).sum())
    if number_format is BINARY:
        assert 2 * xnor_popcount(*words) - 8 * m == dot
    elif number_format is TERNARY:
        assert ternary_dot(*words) == dot
    else:
        assert number_format is INT4 and int4_dot(*words) == dot
    parts = [int.from_bytes(word.tobytes(), "little") for word in words]
    if number_format is not BINARY:
        width = number_format.width
        told = {"count": number_format.values(m), "activation_width": width, "weight_width": width}
        assert bit_plane_dot(*parts, **told, signed_activations=True, signed_weights=True, weight_pitch=width) == dot


@given(data=st.data(), m=st.integers(1, 9), rubbish=st.integers(0, 63))
def test_weights_in_bytes(data: st.DataObject, m: int, rubbish: int) -> None:
    a = _values(data, FORMATS["int8"], m)
    binary, ternary = _values(data, BINARY, m), _values(data, TERNARY, m)
    codes = np.array([BINARY.encode(value) | rubbish << 1 for value in binary.tolist()], np.uint8)
    assert binary_weight_dot(a, codes) == (a.astype(int) * binary).sum()
    codes = np.array([TERNARY.encode(value) | rubbish << 2 for value in ternary.tolist()], np.uint8)
    assert ternary_weight_dot(a, codes) == (a.astype(int) * ternary).sum()


def test_no_such_code() -> None:
    with pytest.raises(ValueError, match="code 10 is no ternary value"):
        ternary_dot(np.array([2], np.uint8), np.array([1], np.uint8))
    with pytest.raises(ValueError, match="code 10 is no ternary value"):
        ternary_weight_dot(np.array([2], np.int8), np.array([6], np.uint8))


@given(data=st.data(), pairs=st.integers(1, 5), spread=st.booleans())
def test_paired(data: st.DataObject, pairs: int, spread: bool) -> None:
    """Two products are one bit, of both activations and weights, and a term of each side alone."""
    drawn = st.lists(st.integers(0, 255), min_size=2 * pairs, max_size=2 * pairs)
    first, second = (np.array(data.draw(drawn), np.uint8) for _ in range(2))
    counted = 0
    for place in range(16 * pairs):
        a, v = (int(word[place // 8]) >> place % 8 & 1 for word in (first, second))
        counted += (a == v) << (place % 8 if spread else 0)
    both = paired_dot(first, second, spread) - pair_term(first, spread)
    assert both >= 0 and both % 2 == 0
    assert paired_dot(first, second, spread) == counted + pair_term(second, spread)
    if not spread:
        assert counted == xnor_popcount(first, second)


def test_a_ternary_product_is_no_single_bit() -> None:
    """With terms of each side alone it is none of the 512 bits of both; it is the two-valued forms of docs/dot-products.md."""
    values = np.array([-1, 0, 1])
    a, w = (grid.reshape(-1) for grid in np.meshgrid(values, values, indexing="ij"))
    sides = np.stack([*(a == value for value in values), *(w == value for value in values)], axis=1).astype(float)

    def explains(third: np.ndarray) -> bool:
        terms = np.concatenate([sides, third.reshape(-1, 1)], axis=1).astype(float)
        return bool(np.allclose(terms @ np.linalg.lstsq(terms, a * w, rcond=None)[0], a * w))

    assert not any(explains(bits >> np.arange(9) & 1) for bits in range(512))
    both = [(a == value) & (w == value) for value in values]
    assert explains(2 * (a == w) - 3 * both[1])
    assert explains(2 * both[2] + 2 * both[0] - both[1])
    assert explains((a * w != 0) - 2 * (a * w < 0))
