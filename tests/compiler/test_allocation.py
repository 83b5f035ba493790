"""Tests of macaw.compiler.allocation: maps alive together never overlap but where a handover allows it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from macaw.compiler.allocation import Handover, Lifetime, allocate

LIVES = st.lists(
    st.builds(
        lambda size, first, length: Lifetime(size=size, first=first, last=first + length),
        st.integers(1, 50), st.integers(-1, 8), st.integers(0, 3),
    ),
    min_size=1, max_size=9,
).map(lambda lives: {f"map{number}": life for number, life in enumerate(lives)})  # fmt: skip


def overlapping(lives: dict[str, Lifetime], bases: dict[str, int]) -> set[tuple[str, str]]:
    return {
        (one, other)
        for one in lives
        for other in lives
        if one != other
        and lives[one].first <= lives[other].last
        and lives[other].first <= lives[one].last
        and bases[one] < bases[other] + lives[other].size
        and bases[other] < bases[one] + lives[one].size
    }


@settings(max_examples=200, deadline=None)
@given(lives=LIVES)
def test_nothing_alive_overlaps(lives: dict[str, Lifetime]) -> None:
    bases = allocate(lives)
    assert set(bases) == set(lives) and min(bases.values()) == 0
    assert not overlapping(lives, bases)


@settings(max_examples=200, deadline=None)
@given(lives=LIVES, distances=st.frozensets(st.integers(-40, 40), max_size=6))
def test_overlaps_are_handovers_at_their_distances(lives: dict[str, Lifetime], distances: frozenset[int]) -> None:
    handovers = [
        Handover(source=one, target=other, distances=tuple(sorted(distances)))
        for one in lives
        for other in lives
        if lives[one].first < lives[other].first == lives[one].last
    ]
    bases = allocate(lives, handovers)
    allowed = {(handover.source, handover.target) for handover in handovers}
    for one, other in overlapping(lives, bases):
        source, target = (one, other) if (one, other) in allowed else (other, one)
        assert (source, target) in allowed and bases[target] - bases[source] in distances
    plain = allocate(lives)
    assert max(bases[name] + lives[name].size for name in lives) <= max(plain[name] + lives[name].size for name in lives)


def test_a_chain_goes_down_and_up_again() -> None:
    """Each map may lie 10 below or 10 above the one before: two places do for all."""
    lives = {f"map{step}": Lifetime(size=100, first=step - 1, last=step) for step in range(6)}
    handovers = [
        Handover(source=f"map{step}", target=f"map{step + 1}", distances=(-10, 10) if step % 2 else (-10,))
        for step in range(5)
    ]
    bases = allocate(lives, handovers)
    assert max(bases.values()) == 10
    assert [bases[f"map{step}"] for step in range(6)] == [10, 0, 10, 0, 10, 0]


def test_what_is_good_now_may_be_bad_later() -> None:
    """Map 1 grows the addresses in use less above map 0, where map 2 cannot follow it."""
    lives = {f"map{step}": Lifetime(size=100, first=step - 1, last=step) for step in range(3)}
    handovers = [
        Handover(source="map0", target="map1", distances=(-20, 10)),
        Handover(source="map1", target="map2", distances=(20, 50)),
    ]
    bases = allocate(lives, handovers)
    assert max(bases.values()) == 20
