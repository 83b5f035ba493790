"""Tests of macaw.sim.cost.axi_memory: bursts one by one; whole engines are in tests/export/test_simulation.py."""

from __future__ import annotations

import pytest

from macaw.sim.cost.axi_memory import AxiMemory


def bursts(memory: AxiMemory, asked: list[int]) -> list[tuple[int, int, int]]:
    """(taken, first word, step) of bursts of 8 words."""
    reads = memory.restart(0)
    found = [reads.burst(cycle, 8 * number, 8) for number, cycle in enumerate(asked)]
    return [(burst.taken, burst.first, burst.step) for burst in found]


def test_latencies_overlap_as_far_as_the_memory_takes_bursts() -> None:
    assert bursts(AxiMemory(words=64, latency=20), [5, 5, 5]) == [(5, 25, 1), (6, 33, 1), (7, 41, 1)]
    assert bursts(AxiMemory(words=64, latency=20, ahead=1), [5, 5, 5]) == [(5, 25, 1), (33, 53, 1), (61, 81, 1)]
    assert bursts(AxiMemory(words=64, latency=20, ahead=2), [5, 5, 5]) == [(5, 25, 1), (6, 33, 1), (33, 53, 1)]


def test_rate_and_gap() -> None:
    assert bursts(AxiMemory(words=64, latency=1, interval=3), [0, 0]) == [(0, 1, 3), (1, 25, 3)]
    assert bursts(AxiMemory(words=64, latency=1, interval=3, gap=5), [0, 0, 100]) == [(0, 1, 3), (1, 30, 3), (100, 101, 3)]


def test_writes_wait_for_reads_and_are_answered() -> None:
    memory = AxiMemory(words=64, latency=4, response=3).restart(0)
    assert memory.burst(2, 0, 8).first == 6  # the last word comes in cycle 13
    write = memory.write(3, 8, 4, 0)
    assert (write.taken, write.first) == (14 + 1 + 3 + 3, 15)
    assert memory.burst(3, 0, 1).taken == write.taken + 1


@pytest.mark.parametrize("memory", [{"latency": 9}, {"latency": 9, "gap": 2}, {"latency": 100, "ahead": 2}, {"latency": 3, "interval": 4}])
def test_word_cycles_is_the_rate_of_a_long_read(memory: dict[str, int]) -> None:
    described = AxiMemory(words=64, **memory)
    found = bursts(described, [0] * 200)
    assert (found[-1][1] - found[0][1]) / (199 * 8) == pytest.approx(described.word_cycles, rel=0.02)


@pytest.mark.parametrize("memory", [{"latency": 0}, {"latency": 1, "interval": 0}, {"latency": 1, "gap": -1}, {"latency": 1, "ahead": 0}])
def test_impossible_memories(memory: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="a memory on AXI cannot be"):
        AxiMemory(words=64, **memory)
