"""The golden max pool against the maximum of each window."""

from __future__ import annotations

import numpy as np
import pytest

from macaw.sim.golden.max_pool import max_pool


@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 2, 0)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (2, 3)])
def test_maximum_of_each_window(padding: tuple[int, int, int, int], stride: tuple[int, int]) -> None:
    generator = np.random.default_rng(1)
    x = generator.integers(-128, -100, (3, 7, 8, 5)).astype(np.int8)  # a zero from outside the map would win
    actual = max_pool(x, (3, 2), stride=stride, padding=padding)
    top, left, bottom, right = padding
    assert actual.shape == (3, (7 + top + bottom - 3) // stride[0] + 1, (8 + left + right - 2) // stride[1] + 1, 5)
    for row in range(actual.shape[1]):
        for column in range(actual.shape[2]):
            y, z = row * stride[0] - top, column * stride[1] - left
            window = x[:, max(y, 0) : y + 3, max(z, 0) : z + 2]
            if window.size:
                np.testing.assert_array_equal(actual[:, row, column], window.max(axis=(1, 2)))
