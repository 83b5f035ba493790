# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.external.map_transfer and of the maps that it moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.external.external_map import ExternalMap
from macaw.hw.external.map_transfer import MapTransfer
from macaw.hw.memory.map_layout import MapLayout
from macaw.sim.bench.gallery import run_gallery
from macaw.sim.golden.map_transfer import transfer_bursts, transfer_words


def test_bench(tmp_path: Path) -> None:
    units = []
    for p, m, depth in ((1, 1, 128), (3, 5, 64), (4, 8, 64), (2, 9, 32)):
        config = EngineConfig(p=p, m=m, n=1, feature_depth=depth, streaming=True, spilling=True)
        told = {
            "segments": config.feature_segments, "banks": p, "depth": depth, "bits": 8 * m,
            "latency": MapTransfer.read_latency_of(config),
        }  # fmt: skip
        units.append((MapTransfer(config), told))
    assert run_gallery("map_transfer", units, tmp_path) == 4


def test_words_are_never_waited_for() -> None:
    """A word is under way as long as the slowest feature buffer takes; so many words have room."""
    assert MapTransfer.read_latency_of(EngineConfig(p=64, m=1, n=1)) + 3 < MapTransfer.room


@pytest.mark.parametrize(("p", "m", "phases"), [(2, 4, 1), (3, 5, 2), (1, 1, 1), (4, 9, 3)])
def test_the_hosts_words_are_those_of_a_store(p: int, m: int, phases: int) -> None:
    layout = MapLayout(p=p, m=m, height=3, width=7, channels=11, phases=phases)
    values = np.random.default_rng(1).integers(-128, 128, (3, 7, 11)).astype(np.int8)
    image = layout.pack(values)
    place = ExternalMap(layout=layout, first=640)
    padded = np.zeros((*image.shape[:2], 4 * place.segments), np.uint8)
    padded[:, :, :m] = image
    words = padded.reshape(layout.size, p, -1).view("<u4")
    buffer = {(address, bank): words[address, bank].tolist() for address in range(layout.size) for bank in range(p)}
    planes = transfer_words(buffer, 0, layout.plane_words, layout.words, 3, layout.line_words, p)
    assert [len(plane) for plane in planes] == [place.plane_words] * layout.words
    assert place.pack(values).tolist() == [word for plane in planes for word in plane]
    bursts = transfer_bursts(place.first, place.plane_words, place.plane_words, layout.words)
    assert sum(length for _, length in bursts) == place.size
    assert all(address // 64 == (address + length - 1) // 64 for address, length in bursts)
