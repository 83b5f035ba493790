"""Tests of macaw.hw.memory.map_layout: every element has a place of its own, and comes back from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macaw.hw.formats import FORMATS
from macaw.hw.memory.map_layout import MapLayout

TIGHT = st.builds(
    MapLayout, p=st.integers(1, 7), m=st.integers(1, 8), height=st.integers(1, 5), width=st.integers(1, 20),
    channels=st.integers(1, 20), phases=st.integers(1, 4), base=st.integers(0, 100),
)  # fmt: skip
LAYOUTS = st.builds(
    lambda layout, slack: replace(layout, pitch=layout.plane_words + slack if slack else 0), TIGHT, st.integers(0, 3)
)


def _values(layout: MapLayout, seed: int) -> Any:
    shape = (layout.height, layout.width, layout.channels)
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


@settings(max_examples=200, deadline=None)
@given(layout=LAYOUTS, seed=st.integers(0, 1000))
def test_pack_and_unpack(layout: MapLayout, seed: int) -> None:
    values = _values(layout, seed)
    image = layout.pack(values)
    assert image.shape == (layout.size, layout.p, layout.m) and image.dtype == np.uint8
    assert (layout.unpack(image) == values).all()


@settings(max_examples=100, deadline=None)
@given(layout=LAYOUTS)
def test_places(layout: MapLayout) -> None:
    """The formula of the docstring, element by element; no place is used twice, gaps are 0."""
    values = np.ones((layout.height, layout.width, layout.channels), np.int8)
    image = layout.pack(values)
    expected = np.zeros_like(image)
    for y in range(layout.height):
        for x in range(layout.width):
            for c in range(layout.channels):
                q, word = x // layout.phases, c // layout.m
                address = word * layout.plane_words + y * layout.line_words
                address += x % layout.phases * layout.phase_words + q // layout.p
                assert expected[address, q % layout.p, c % layout.m] == 0
                expected[address, q % layout.p, c % layout.m] = 1
    assert (image == expected).all()


@given(layout=LAYOUTS)
def test_phases_fill_the_width(layout: MapLayout) -> None:
    widths = [layout.phase_width(phase) for phase in range(layout.phases)]
    assert sum(max(width, 0) for width in widths) == layout.width
    assert max(widths) <= layout.phase_words * layout.p
    gaps = (layout.words - 1) * (layout.plane_words - layout.height * layout.line_words)
    assert layout.size == layout.height * layout.words * layout.phases * layout.phase_words + gaps


@settings(max_examples=100, deadline=None)
@given(layout=LAYOUTS, seed=st.integers(0, 1000), data=st.data())
def test_part(layout: MapLayout, seed: int, data: Any) -> None:
    """A part is the whole's channels where they lie; a part of a part, too."""
    image = layout.pack(_values(layout, seed))
    begin, channels = 0, layout.channels
    part = layout
    for _ in range(2):
        first = data.draw(st.integers(0, channels - 1))
        channels = data.draw(st.integers(1, channels - first))
        begin, part = begin + first, part.part(first, channels)
        assert 0 <= part.first_byte < layout.m
    words = image[part.base - layout.base : part.base - layout.base + part.size]
    assert (part.unpack(words) == _values(layout, seed)[:, :, begin : begin + channels]).all()


def test_wrong_values() -> None:
    with pytest.raises(ValueError, match="planes of 6 addresses overlap at a pitch of 5"):
        MapLayout(p=1, m=2, height=2, width=3, channels=3, pitch=5)
    layout = MapLayout(p=2, m=2, height=2, width=3, channels=3)
    with pytest.raises(ValueError, match="cannot be packed from int8 \\(2, 3, 2\\)"):
        layout.pack(np.zeros((2, 3, 2), np.int8))
    with pytest.raises(ValueError, match="cannot be packed from int16 \\(2, 3, 3\\)"):
        layout.pack(np.zeros((2, 3, 3), np.int16))
    with pytest.raises(ValueError, match="an image of \\(1, 2, 2\\) does not hold a map"):
        layout.unpack(np.zeros((1, 2, 2), np.uint8))


@pytest.mark.parametrize("name", list(FORMATS))
@settings(max_examples=40, deadline=None)
@given(layout=LAYOUTS, seed=st.integers(0, 1000))
def test_every_format_comes_back_from_its_place(name: str, layout: MapLayout, seed: int) -> None:
    layout = replace(layout, format=name, pitch=0)
    generator = np.random.default_rng(seed)
    shape = (layout.height, layout.width, layout.channels)
    values = generator.choice(np.array(FORMATS[name].members, np.int8), shape).astype(np.int8)
    image = layout.pack(values)
    assert image.shape == (layout.size, layout.p, layout.m)
    assert (layout.unpack(image) == values).all()
    # Value by value, from the definition.
    channel, x, y = layout.channels - 1, layout.width - 1, layout.height - 1
    word, place = divmod(channel, 8 * layout.m // FORMATS[name].width)
    q = x // layout.phases
    address = word * layout.plane_words + y * layout.line_words + x % layout.phases * layout.phase_words + q // layout.p
    bits = int.from_bytes(image[address, q % layout.p].tobytes(), "little") >> place * FORMATS[name].width
    assert FORMATS[name].decode(bits & (1 << FORMATS[name].width) - 1) == values[y, x, channel]
    assert bits >> FORMATS[name].width == 0  # codes behind the last channel


def test_a_part_begins_with_a_byte() -> None:
    whole = MapLayout(p=2, m=3, height=2, width=2, channels=40, format="binary")
    assert (whole.words, whole.word_channels, whole.channel_bytes) == (2, 24, 5)
    part = whole.part(32, 8)
    assert (part.base, part.first_byte, part.words) == (whole.plane_words, 1, 1)
    with pytest.raises(ValueError, match="channel 12 of .* does not begin with a byte"):
        whole.part(12, 8)


def test_only_values_of_the_format() -> None:
    layout = MapLayout(p=1, m=1, height=1, width=1, channels=2, format="binary")
    with pytest.raises(ValueError, match="0 is no binary value"):
        layout.pack(np.zeros((1, 1, 2), np.int8))
