"""Words of int8 values as integers, the first value in the least significant byte."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["from_word", "random_bytes", "to_word"]

_EXTREMES = np.array([-128, -127, -1, 0, 1, 127], np.int8)


def to_word(values: Iterable[int]) -> int:
    """int8 values as one word."""
    return int.from_bytes(bytes(int(value) & 0xFF for value in values), "little")


def from_word(word: int, count: int) -> list[int]:
    """The ``count`` int8 values of a word."""
    return [int(value) for value in np.frombuffer(word.to_bytes(count, "little"), np.int8)]


def random_bytes(chance: random.Random, *shape: int) -> NDArray[np.int8]:
    """Random int8 values; now and then all, or each second of them, are extremes."""
    generator = np.random.default_rng(chance.getrandbits(64))
    values = generator.integers(-128, 128, shape).astype(np.int8)
    kind = chance.randrange(6)
    if kind == 0:
        return np.full(shape, chance.choice(_EXTREMES.tolist()), np.int8)
    if kind == 1:
        return np.where(generator.random(shape) < 0.5, generator.choice(_EXTREMES, shape), values).astype(np.int8)
    return values
