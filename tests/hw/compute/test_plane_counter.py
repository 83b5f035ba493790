# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.compute.plane_counter; the totals are judged by the bench of the dot products made of it."""

from __future__ import annotations

import pytest

from macaw.hw.compute.plane_counter import PlaneCounter


@pytest.mark.parametrize("spreading", [False, True])
def test_members(spreading: bool) -> None:
    for count in (1, 2, 4, 5, 16):
        for pairs in (False, True):
            counter = PlaneCounter(count, pairs=pairs, spreading=spreading)
            assert len(counter.bits) == 8 * count
            assert (1 << len(counter.total)) > (255 if spreading else 8) * count >= 1 << len(counter.total) - 1
            assert counter.latency == PlaneCounter.latency_of(count, pairs=pairs, spreading=spreading)
            assert ("others" in counter.signature.members, "spread" in counter.signature.members) == (pairs, spreading)


def test_rules() -> None:
    with pytest.raises(ValueError, match="at least one byte, not 0"):
        PlaneCounter(0, pairs=False, spreading=True)
