"""The golden convolution against a loop over every product."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macaw.sim.golden.convolution import convolution


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_equals_the_sum_of_products(data: st.DataObject) -> None:
    small = st.integers(1, 3)
    groups, depth, per_group = data.draw(small), data.draw(small), data.draw(small)
    kernel = (data.draw(small), data.draw(small))
    stride, dilation = (data.draw(small), data.draw(small)), (data.draw(small), data.draw(small))
    padding = tuple(data.draw(st.integers(0, 2)) for _ in range(4))
    pad_value = data.draw(st.integers(-128, 127))
    size = tuple(dilation[i] * (kernel[i] - 1) + 1 + data.draw(st.integers(0, 3)) for i in range(2))
    generator = np.random.default_rng(data.draw(st.integers(0, 1000)))
    x = generator.integers(-128, 128, (2, *size, groups * depth)).astype(np.int8)
    w = generator.integers(-128, 128, (groups * per_group, *kernel, depth)).astype(np.int8)
    top, left, bottom, right = padding
    actual = convolution(
        x, w, stride=stride, padding=(top, left, bottom, right), dilation=dilation, groups=groups, pad_value=pad_value
    )
    assert actual.dtype == np.int64
    rows = (size[0] + top + bottom - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    columns = (size[1] + left + right - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    assert actual.shape == (2, rows, columns, groups * per_group)
    for _ in range(10):
        b, y, z, o = (int(generator.integers(0, extent)) for extent in actual.shape)
        total = 0
        for ky in range(kernel[0]):
            for kx in range(kernel[1]):
                for c in range(depth):
                    row, column = y * stride[0] + ky * dilation[0] - top, z * stride[1] + kx * dilation[1] - left
                    inside = 0 <= row < size[0] and 0 <= column < size[1]
                    value = int(x[b, row, column, o // per_group * depth + c]) if inside else pad_value
                    total += value * int(w[o, ky, kx, c])
        assert actual[b, y, z, o] == total


def test_sums_beyond_32_bits() -> None:
    x = np.full((1, 1, 1, 140000), -128, np.int8)
    w = np.full((1, 1, 1, 140000), -128, np.int8)
    assert convolution(x, w)[0, 0, 0, 0] == 140000 * 128 * 128


def test_channels_that_do_not_match() -> None:
    with pytest.raises(ValueError, match="2 groups of 3 do not make 4 channels"):
        convolution(np.zeros((1, 3, 3, 4), np.int8), np.zeros((4, 1, 1, 3), np.int8), groups=2)
