"""Tests of macaw.hw.compute.compression: the plan itself, evaluated bit by bit, without hardware."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from macaw.hw.compute.compression import Compression, Function, Term, compress
from macaw.sim.golden.compressor_tree import compressor_tree

_XOR = (0, 1, 1, 0)
_TERNARY = (1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 0, 0, 2)
_NARROW = st.builds(
    Term,
    st.integers(0, 5),
    st.one_of(st.tuples(*[st.integers(0, 1)] * 2), st.tuples(*[st.integers(0, 1)] * 4)),
    st.sampled_from([1, -1]),
)
_WIDE = st.builds(Term, st.integers(0, 5), st.just(_TERNARY))


def _evaluate(plan: Compression, operands: NDArray[np.int64]) -> NDArray[np.int64]:
    """Totals for operands of shape (inputs, cases)."""

    def value(function: Function) -> NDArray[np.int64]:
        index = np.zeros(operands.shape[1], np.int64)
        for place, source in enumerate(function.sources):
            index |= bits[source] << place
        return np.array(function.values)[index]

    bits = operands
    for stage in plan.stages:
        following = []
        for segment in stage.segments:
            carry = value(segment.injected) if segment.injected else np.zeros(operands.shape[1], np.int64)
            for cell in segment.cells:
                assert sum(function.needs_room for function in cell.operands) <= 1
                total = carry + sum(value(function) for function in cell.operands)
                assert total.max() <= 3
                following.append(total & 1)
                carry = total >> 1
            if segment.carry:
                following.append(carry)
        bits = np.array(following + [value(function) for function in stage.passed])
    none = np.zeros(operands.shape[1], np.int64)
    return sum((bit << column for column, bit in zip(plan.columns, bits, strict=True)), none)


def _all_operands(inputs: int) -> NDArray[np.int64]:
    return np.arange(1 << inputs) >> np.arange(inputs)[:, np.newaxis] & 1


@pytest.mark.parametrize("pairs", [1, 2, 3, 4, 7, 8])
def test_exhaustive(pairs: int) -> None:
    """Every pair of words of a popcount of differing bits, added and subtracted."""
    operands = _all_operands(2 * pairs)
    differing = (operands[::2] ^ operands[1::2]).sum(axis=0)
    width = pairs.bit_length()
    assert (_evaluate(compress((Term(0, _XOR),) * pairs, 0, width), operands) == differing).all()
    assert (_evaluate(compress((Term(0, _XOR, -1),) * pairs, pairs, width), operands) == pairs - differing).all()


@settings(max_examples=200, deadline=None)
@given(
    terms=st.lists(st.one_of(_NARROW, _WIDE), min_size=1, max_size=40),
    constant=st.integers(-500, 500),
    width=st.integers(1, 12),
    seed=st.integers(0, 1 << 30),
)
def test_any_terms(terms: list[Term], constant: int, width: int, seed: int) -> None:
    inputs = sum(term.inputs for term in terms)
    operands = np.random.default_rng(seed).integers(0, 2, (inputs, 20))
    operands[:, 0], operands[:, 1] = 0, 1
    words = [sum(int(bit) << place for place, bit in enumerate(case)) for case in operands.T]
    described = [(term.column, term.values, term.sign) for term in terms]
    expected = [compressor_tree(word, described, constant, width) for word in words]
    plan = compress(tuple(terms), constant, width)
    assert _evaluate(plan, operands).tolist() == expected
    assert len(set(plan.columns)) == len(plan.columns) and max(plan.columns, default=0) < width


def test_cost() -> None:
    """Look-up tables of a popcount, products included, per pair of bits; a bit of the sum costs at least one."""
    for pairs, most in ((64, 1.6), (128, 1.6), (256, 1.55)):
        assert compress((Term(0, _XOR, -1),) * pairs, pairs, pairs.bit_length()).tables <= most * pairs


def test_rules() -> None:
    with pytest.raises(ValueError, match="at least one term and one bit"):
        compress((), 0, 3)
    with pytest.raises(ValueError, match="is no term: 1, 2 or 4 inputs"):
        Term(0, (0, 1, 1))
    with pytest.raises(ValueError, match="more than a cell can add"):
        Term(0, (0, 2))
    with pytest.raises(ValueError, match="cannot be subtracted"):
        Term(0, (0,) * 16, -1)
