"""When the weights of each pass are in the weight buffer, and how long each pass waits for them: the weight prefetcher, its
memory and the sequencer side by side, exactly."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ...hw.config import EngineConfig
from ...hw.external.map_transfer import MapTransfer
from ...hw.external.memory_port import MOST_WORDS
from ...hw.external.weight_stream import BLOCK_HEAD, BURST_WORDS, MAP_HEAD, QUEUE_WORDS
from ...hw.timing import PipelineTiming
from .cycles import LayerCycles
from .external_memory import Burst, ExternalMemory

__all__ = ["BlockLoad", "RowTransfer", "streamed_passes"]

_HEAD_WORDS = BLOCK_HEAD.size // 32
_MAP_HEAD_WORDS = _HEAD_WORDS + MAP_HEAD.size // 32 + 1
_ROUGH_MOVE = 30


@dataclass(frozen=True)
class BlockLoad:
    """A block of the stream: 32-bit words of weights in it, and the passes that must have finished before it is written."""

    words: int
    after: int

    @property
    def traffic(self) -> LayerCycles:
        """What its layer reads."""
        return LayerCycles(external_words=self.words)


@dataclass(frozen=True, kw_only=True)
class RowTransfer:
    """A block of the stream that moves ``plane_words`` 32-bit words of each of ``planes``, from word ``first`` of the external memory on
    and ``step`` words apart, when ``after`` passes have finished: to that memory if ``storing``, else from it."""

    storing: bool
    first: int
    plane_words: int
    planes: int
    step: int
    after: int

    @property
    def words(self) -> int:
        """All words."""
        return self.plane_words * self.planes

    @property
    def traffic(self) -> LayerCycles:
        """What its layer reads or writes."""
        return LayerCycles(map_words_written=self.words) if self.storing else LayerCycles(map_words_read=self.words)

    def bursts(self) -> Iterator[tuple[int, int]]:
        """Address and words of each burst."""
        for plane in range(self.planes):
            address = self.first + plane * self.step
            end = address + self.plane_words
            while address < end:
                words = min(end - address, MOST_WORDS - address % MOST_WORDS)
                yield address, words
                address += words


class _Queue:
    """Words leave the prefetcher's queue: one a cycle, each from the cycle after it came. Maps move in between."""

    def __init__(self, memory: ExternalMemory, begin: int, last_burst: int) -> None:
        self.reads = memory.restart(begin + 1)
        self.last_burst = last_burst
        self.asked: deque[Burst] = deque()  # before their words are needed
        self.next_ask = begin + 2
        self.left_at: list[int] = []  # the cycle in which the last word of each burst left
        self.bursts = 0
        self.burst = Burst(0, 0, 0)
        self.index = BURST_WORDS  # of the next word in its burst
        self.free = 0  # the next word may leave

    def _earliest(self) -> int | None:
        """When the next burst can be asked for; None if that is not known yet."""
        before = self.bursts - QUEUE_WORDS // BURST_WORDS
        if before < 0:
            return self.next_ask
        return max(self.next_ask, self.left_at[before] + 1) if before < len(self.left_at) else None

    def _ask(self, cycle: int) -> None:
        self.asked.append(self.reads.burst(cycle + 1, self.bursts * BURST_WORDS, BURST_WORDS))
        self.next_ask = self.asked[-1].taken
        self.bursts += 1

    def _fetch(self) -> None:
        if not self.asked:
            ask = self._earliest()
            assert ask is not None
            self._ask(ask)
        self.burst = self.asked.popleft()
        self.index = 0

    def move(self, transfer: RowTransfer, begin: int, latency: int) -> int:
        """The first cycle in which rows that move from ``begin`` on count as moved. ``latency``: to a word of the feature buffer."""
        while self.bursts < self.last_burst and (ask := self._earliest()) is not None and ask < begin:
            self._ask(ask)
        ask = max(begin, self.next_ask)
        given = begin + latency + 2
        for address, words in transfer.bursts():
            if transfer.storing:
                burst = self.reads.write(ask + 1, address, words, given)
            else:
                burst = self.reads.burst(ask + 1, address, words)
            given += words
            ask = burst.taken
            last = burst.first + burst.step * (words - 1)
        moved = max(last, ask) + 2
        self.next_ask = max(ask, moved)
        self.free = max(self.free, moved)
        return moved

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

    def __init__(self, memory: ExternalMemory, begin: int, last_burst: int) -> None:
        self.rate = memory.word_cycles
        self.came = begin + 30.0  # the last word from the memory
        self.free = 0

    def take(self, count: int, earliest: int) -> int:
        """As of the exact one, roughly."""
        self.came = max(self.came, max(self.free, earliest) - QUEUE_WORDS * self.rate) + count * self.rate
        self.free = max(max(self.free, earliest) + count, int(self.came) + 2)
        return self.free - 1

    def move(self, transfer: RowTransfer, begin: int, latency: int) -> int:
        """As of the exact one, roughly."""
        self.free = max(self.free, int(begin + _ROUGH_MOVE + transfer.words * self.rate))
        return self.free


def streamed_passes(
    config: EngineConfig,
    passes: Sequence[LayerCycles],
    needs: Sequence[int],
    blocks: Sequence[BlockLoad | RowTransfer],
    memory: ExternalMemory,
    *,
    rough: bool = False,
) -> list[LayerCycles]:
    """The passes (descriptors) of a program with the cycles that each waits for weights and maps.

    ``passes``: their cycles without waiting. ``needs``: for each pass how many blocks it needs. Cycle 0 is the run's first.
    A pass is decided on when its descriptor is there and its blocks are; a block is written when the passes in front of
    it have finished. ``rough``: by the memory's average rate, for comparisons. Raises ValueError where both wait for each other.
    """
    timing = PipelineTiming(config)
    words = 1 + sum(_HEAD_WORDS + block.words + 1 if isinstance(block, BlockLoad) else _MAP_HEAD_WORDS for block in blocks)
    queue = (_RoughQueue if rough else _Queue)(memory, config.header_words + 3, -(-words // BURST_WORDS))
    latency = MapTransfer.read_latency_of(config)
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
            result.append(replace(passes[index], waiting=waiting))
            starts.append(starts[-1] + result[-1].total)

    queue.take(1, 0)  # the tag
    for block in blocks:
        moving = isinstance(block, RowTransfer)
        released = queue.take(_MAP_HEAD_WORDS if moving else _HEAD_WORDS, 0) + 1
        if block.after:
            run_until(block.after)
            released = max(released, starts[block.after])
        if isinstance(block, RowTransfer):
            done.append(queue.move(block, released + 1, latency))
        else:
            done.append(queue.take(block.words + 1, released + 1) + 1)
    run_until(len(passes))
    return result
