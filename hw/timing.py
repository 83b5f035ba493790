"""Latencies of the engine's pipeline, from the step to the written word: one source for the RTL and the cycle model."""

from __future__ import annotations

from dataclasses import dataclass

from .compute.mac_array import MacArray
from .compute.max_pool import MaxPoolArray
from .config import EngineConfig
from .control.descriptor import descriptor_words
from .control.drain_generator import DrainGenerator
from .memory.accumulation_buffer import AccumulationBuffer
from .memory.feature_buffer import FeatureBuffer
from .memory.weight_buffer import WeightBuffer
from .memory.window_selector import WindowSelector
from .output.output_stage import OutputStage
from .primitives.block_ram import BlockRam

__all__ = ["PipelineTiming"]


@dataclass(frozen=True)
class PipelineTiming:
    """Cycles after the one in which the step generator shows a step (or the drain generator an event).

    The stages in between: tap memory, address (tap + group + word), banks, rotation, padding, products, adders.
    """

    config: EngineConfig

    @property
    def tap(self) -> int:
        """The tap memory's word."""
        return BlockRam.latency

    @property
    def address(self) -> int:
        """The window's address enters the feature buffer."""
        return self.tap + 1

    @property
    def words(self) -> int:
        """The banks' words enter the window selector."""
        return self.address + FeatureBuffer.latency

    @property
    def window(self) -> int:
        """Windows and weight rows enter the array; a parameter row enters the output stage."""
        return self.words + WindowSelector.latency_of(self.config)

    @property
    def weight_address(self) -> int:
        """The weight address enters the weight buffer."""
        return self.window - WeightBuffer.latency_of(self.config)

    @property
    def sums(self) -> int:
        """The sums enter the accumulation buffer."""
        return self.window + MacArray.latency_of(self.config)

    @property
    def select(self) -> int:
        """An event selects its slot and pixel in the accumulation buffer."""
        return self.sums + AccumulationBuffer.finish_of(self.config) - 1

    @property
    def accumulators(self) -> int:
        """An event's accumulators enter the output stage."""
        return self.select + 1

    @property
    def outputs(self) -> int:
        """An event's output bytes enter the word packer."""
        return self.accumulators + OutputStage.latency_of(self.config)

    @property
    def pool_select(self) -> int:
        """An event selects its pixel in the max-pooling array."""
        return self.window + MaxPoolArray.latency - 1

    @property
    def pool_word(self) -> int:
        """An event's pooled word is ready to be written."""
        return self.pool_select + 1

    @property
    def exchange(self) -> int:
        """A ``map_end`` event has returned its group's parameters."""
        return self.accumulators + OutputStage.gap_of(self.config)

    @property
    def flush(self) -> int:
        """From the last event until all writes are done: the sequencer waits so long before the next layer."""
        return self.outputs + self.config.write_steps + 2

    @property
    def group_interval(self) -> int:
        """Cycles from the last pixel of an output group to the first of the next."""
        return DrainGenerator.group_interval_of(self.config)

    @property
    def header(self) -> int:
        """Cycles from the start of a program until the first descriptor is asked for, or there with prefetch."""
        return self.config.header_words + 2 + 1 + (self._fetch if self.config.prefetch else 0)

    @property
    def _fetch(self) -> int:
        """Cycles of a descriptor's fetch."""
        return 1 + descriptor_words(self.config) + 2

    @property
    def layer_overhead(self) -> int:
        """Cycles of a layer in which no step is issued and none waits: fetch (hidden with prefetch), decode, go, flush."""
        return (0 if self.config.prefetch else self._fetch) + 1 + 1 + self.flush + 1

    @property
    def end(self) -> int:
        """Cycles of the END descriptor."""
        return (0 if self.config.prefetch else self._fetch) + 1
