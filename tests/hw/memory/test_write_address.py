# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.memory.write_address, and of its golden model against the definition of the layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macaw.hw.config import EngineConfig
from macaw.hw.memory.map_layout import MapLayout
from macaw.hw.memory.write_address import WriteAddress
from macaw.sim.bench.gallery import run_gallery
from macaw.sim.golden.word_packer import word_packer
from macaw.sim.golden.write_address import write_addresses

_SHAPES = [(1, 1, 1), (3, 5, 7), (2, 4, 2), (4, 2, 4), (3, 4, 6), (1, 6, 4), (2, 8, 1)]
_PACKED = [(2, 3, 8, ("int8", "int4", "ternary", "binary")), (1, 2, 16, ("binary",)), (3, 4, 24, ("binary", "int8"))]


@pytest.mark.parametrize("simulator", ["verilator"])
def test_bench(tmp_path: Path, simulator: str) -> None:
    units = []
    for p, m, n, formats in [*((*shape, ("int8",)) for shape in _SHAPES), *_PACKED]:
        config = EngineConfig(p=p, m=m, n=n, feature_depth=4096, group_width=3, output_formats=formats)  # at most 5 groups
        units.append((WriteAddress(config), {"config": config.to_dict()}))
    assert run_gallery("write_address", units, tmp_path, simulator=simulator) == 2


@settings(max_examples=80, deadline=None)
@given(
    shape=st.sampled_from(_SHAPES), height=st.integers(1, 3), width=st.integers(1, 9), channels=st.integers(1, 16),
    phases=st.integers(1, 3), slack=st.integers(0, 3), seed=st.integers(0, 1000),
)  # fmt: skip
def test_golden_fills_the_map(
    shape: tuple[int, int, int], height: int, width: int, channels: int, phases: int, slack: int, seed: int
) -> None:
    p, m, n = shape
    layout = MapLayout(p=p, m=m, height=height, width=width, channels=channels, phases=phases)
    layout = replace(layout, pitch=layout.plane_words + slack)
    values = np.random.default_rng(seed).integers(-128, 128, (height, width, channels)).astype(np.int8)
    image = np.zeros((layout.size, p, m), np.uint8)
    steps = EngineConfig(p=p, m=m, n=n).write_steps
    for pixel in write_addresses(
        p, m, n, steps, height=height, width=width, channels=channels, phases=phases, base=0,
        plane_words=layout.plane_words, first_channel=0, end_channel=channels,
    ):  # fmt: skip
        lanes = values[pixel.row, pixel.column, pixel.group * n : pixel.group * n + n].view(np.uint8).tolist()
        packed = word_packer(lanes, pixel.words[0].last_lane, pixel.words[0].offset, m)
        for word in pixel.words:
            assert word.used == (word.step < len(packed))
            for byte, value in packed[word.step].items() if word.used else ():
                image[word.address, word.bank, byte] = value
    assert (image == layout.pack(values)).all()
