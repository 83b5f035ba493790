# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.memory.contents, and of memories with contents."""

from __future__ import annotations

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.errors import UserError
from macaw.hw.memory.contents import memory_words, shared_words
from macaw.hw.memory.weight_buffer import WeightBuffer
from macaw.hw.primitives.block_ram import BlockRam


def test_words() -> None:
    assert memory_words([5, 6, 7], 1) == [5, 6, 7]
    assert memory_words([1, 2, 3, 0, 4, 5, 6, 0], 3) == [3 << 64 | 2 << 32 | 1, 6 << 64 | 5 << 32 | 4]
    assert memory_words([], 3) == []


def test_program_and_taps() -> None:
    assert shared_words([1, 2, 3], [7, 8], 8) == [1, 2, 3, 0, 0, 0, 8, 7]
    assert shared_words([], [], 8) == []


def test_rules() -> None:
    with pytest.raises(UserError, match="3 words do not fit into a block RAM of 2"):
        BlockRam(8, 2, init=[1, 2, 3])
    with pytest.raises(UserError, match="no contents at configuration"):
        WeightBuffer(EngineConfig(p=1, m=4, n=2, weight_memory="spram"), init=[1])
