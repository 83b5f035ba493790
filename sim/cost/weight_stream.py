"""When the weights of each pass are in the weight buffer, and how long each pass waits for them: the weight prefetcher, its
memory and the sequencer side by side, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...hw.config import EngineConfig
from ...hw.external.weight_stream import BURST_WORDS, QUEUE_WORDS
from ...hw.timing import PipelineTiming
from .cycles import LayerCycles
from .external_memory import Burst, ExternalMemory

__all__ = ["BlockLoad", "streamed_passes"]

_HEAD_WORDS = 2


@dataclass(frozen=True)
class BlockLoad:
    """A block of the stream: 32-bit words of weights in it, and the passes that must have finished before it is written."""

    words: int
    after: int


class _Queue:
    """Words leave the prefetcher's queue: one a cycle, each from the cycle after it came."""

    def __init__(self, memory: ExternalMemory, begin: int) -> None:
        self.reads = memory.restart(begin + 1)
        self.next_ask = begin + 2
        self.left_at: list[int] = []  # the cycle in which the last word of each burst left
        self.bursts = 0
        self.burst = Burst(0, 0, 0)
        self.index = BURST_WORDS  # of the next word in its burst
        self.free = 0  # the next word may leave

    def _fetch(self) -> None:
        ask = self.next_ask
        before = self.bursts - QUEUE_WORDS // BURST_WORDS
        if before >= 0:
            ask = max(ask, self.left_at[before] + 1)
        self.burst = self.reads.burst(ask + 1, self.bursts * BURST_WORDS, BURST_WORDS)
        self.next_ask = self.burst.taken
        self.bursts += 1
        self.index = 0

    def take(self, count: int, earliest: int) -> int:
        """The cycle in which the last of ``count`` words leaves, the first not before ``earliest``."""
        self.free = max(self.free, earliest)
        while count:
            if self.index == BURST_WORDS:
                self._fetch()
            part = min(count, BURST_WORDS - self.index)
            self.index += part
            count -= part
            came = self.burst.first + self.burst.step * (self.index - 1)
            self.free = max(self.free + part, came + 2)
            if self.index == BURST_WORDS:
                self.left_at.append(self.free - 1)
        return self.free - 1


class _RoughQueue:
    """The same without a look at single bursts."""

    def __init__(self, memory: ExternalMemory, begin: int) -> None:
        self.rate = memory.word_cycles
        self.came = begin + 30.0  # the last word from the memory
        self.free = 0

    def take(self, count: int, earliest: int) -> int:
        """As of the exact one, roughly."""
        self.came = max(self.came, max(self.free, earliest) - QUEUE_WORDS * self.rate) + count * self.rate
        self.free = max(max(self.free, earliest) + count, int(self.came) + 2)
        return self.free - 1


def streamed_passes(
    config: EngineConfig,
    passes: Sequence[LayerCycles],
    needs: Sequence[int],
    blocks: Sequence[BlockLoad],
    memory: ExternalMemory,
    *,
    rough: bool = False,
) -> list[LayerCycles]:
    """The passes (descriptors) of a program with the cycles that each waits for weights, and the words that it waits for.

    ``passes``: their cycles without waiting. ``needs``: for each pass how many blocks it needs. Cycle 0 is the run's first.
    A pass is decided on when its descriptor is there and its blocks are; a block is written when the passes in front of
    it have finished. ``rough``: by the memory's average rate, for comparisons. Raises ValueError where both wait for each other.
    """
    timing = PipelineTiming(config)
    queue = (_RoughQueue if rough else _Queue)(memory, config.header_words + 3)
    starts = [timing.header]
    fetch = 0 if config.prefetch else timing.layer_overhead - timing.flush - 3
    done: list[int] = []
    result: list[LayerCycles] = []

    def run_until(count: int) -> None:
        """Runs the first ``count`` passes, whose blocks must be there."""
        while len(result) < count:
            index = len(result)
            if needs[index] > len(done):
                raise ValueError(f"pass {index} needs {needs[index]} blocks, of which only {len(done)} come before it ends")
            decided = starts[-1] + fetch
            waiting = max(0, done[needs[index] - 1] - decided) if needs[index] else 0
            before = needs[index - 1] if index else 0
            words = sum(block.words for block in blocks[before : needs[index]])
            result.append(replace(passes[index], waiting=waiting, external_words=words))
            starts.append(starts[-1] + result[-1].total)

    queue.take(1, 0)  # the tag
    for block in blocks:
        released = queue.take(_HEAD_WORDS, 0) + 1
        if block.after:
            run_until(block.after)
            released = max(released, starts[block.after])
        done.append(queue.take(block.words + 1, released + 1) + 1)
    run_until(len(passes))
    return result
