"""Tests of macaw.hw.formats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from macaw.hw.formats import BINARY, FORMATS, INT4, INT8, TERNARY, NumberFormat


def test_codes() -> None:
    assert [BINARY.decode(code) for code in (0, 1)] == [-1, 1]
    assert [TERNARY.decode(code) for code in (0b11, 0b00, 0b01)] == [-1, 0, 1]
    assert [INT4.decode(code) for code in (0b1000, 0b1111, 0b0000, 0b0111)] == [-8, -1, 0, 7]
    assert [INT8.decode(code) for code in (0x80, 0xFF, 0x7F)] == [-128, -1, 127]
    assert list(FORMATS) == ["int8", "int4", "ternary", "binary"]


@pytest.mark.parametrize("number_format", FORMATS.values(), ids=str)
def test_round_trip(number_format: NumberFormat) -> None:
    assert all(number_format.decode(number_format.encode(value)) == value for value in number_format.members)
    assert number_format.members[0] == number_format.low and number_format.members[-1] == number_format.high
    assert number_format.values(3) * number_format.width == 24


def test_order_in_a_word() -> None:
    """The first value is in the lowest bits."""
    assert BINARY.pack(np.array([1, -1, -1, -1, -1, -1, -1, 1, 1], np.int8)).tolist() == [0x81, 0x01]
    assert TERNARY.pack(np.array([-1, 0, 1, -1, 1], np.int8)).tolist() == [0b11010011, 0b01]
    assert INT4.pack(np.array([-8, 7, 1], np.int8)).tolist() == [0x78, 0x01]


@given(data=st.data(), name=st.sampled_from(list(FORMATS)), count=st.integers(1, 40), rows=st.integers(1, 3))
def test_pack_is_encode(data: st.DataObject, name: str, count: int, rows: int) -> None:
    number_format = FORMATS[name]
    elements = st.lists(st.sampled_from(number_format.members), min_size=count, max_size=count)
    values = np.array([data.draw(elements) for _ in range(rows)], np.int8)
    packed = number_format.pack(values)
    width = number_format.width
    for row, bytes_ in zip(values.tolist(), packed.tolist(), strict=True):
        word = sum(number_format.encode(value) << k * width for k, value in enumerate(row))
        assert bytes_ == list(word.to_bytes(-(-count * width // 8), "little"))
    assert (number_format.unpack(packed)[:, :count] == values).all()


def test_no_such_value() -> None:
    with pytest.raises(ValueError, match="^0 is no binary value$"):
        BINARY.encode(0)
    with pytest.raises(ValueError, match="^0 is no binary value$"):
        BINARY.pack(np.array([1, 0], np.int8))
    with pytest.raises(ValueError, match="^2 is no ternary value$"):
        TERNARY.pack(np.array([[1, 0], [0, 2]], np.int8))
    with pytest.raises(ValueError, match="^-9 is no int4 value$"):
        INT4.pack(np.array([-9], np.int8))
