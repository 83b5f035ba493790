"""Weights that are streamed: every pass finds its own in the buffer whatever the memory's speed, cycles as of a simple bound, and
what cannot be streamed is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from macaw.compiler.budget import Budget
from macaw.compiler.engine_sizing import SizedEngine, engine_needs, excess, size_engine
from macaw.compiler.misfit import explain_misfit
from macaw.compiler.network_plan import network_plans
from macaw.compiler.program import assemble
from macaw.compiler.requantize import requantize
from macaw.compiler.streaming_engine import streaming_engine
from macaw.compiler.weight_streaming import plan_weights, streamed_cycles, weight_plans
from macaw.hw.config import EngineConfig
from macaw.hw.external.sdram_timing import MT48LC16M16
from macaw.hw.external.weight_stream import BURST_WORDS
from macaw.hw.primitives.target import Family
from macaw.sim.cost.axi_memory import AxiMemory
from macaw.sim.cost.cycles import LayerCycles
from macaw.sim.cost.external_memory import ExternalMemory, IdealMemory, Sdram
from macaw.sim.cost.resources import engine_resources
from macaw.sim.cost.weight_stream import BlockLoad, streamed_passes
from macaw.sim.golden.weight_stream import read_stream
from macaw.sim.layered_network import Layer, layered_network

SDRAM = Sdram(cycles=MT48LC16M16.cycles(75_000_000), pin_delay=2)
LAYERS: list[Layer] = [(3, 24), (3, 32), "pool", (3, 40), 96, 64, 10]


def sized(layers: list[Layer], array: tuple[int, int, int], blocks: int, memory: IdealMemory | Sdram | None) -> tuple[SizedEngine, Budget]:  # fmt: skip
    budget = Budget(
        name="board", family=Family.ECP5, luts=60000, choice_luts=30000, block_rams=blocks, multipliers=150,
        single_port_rams=0, multiplier_latency=3, requantizer_digit=0, weight_memory="block", external=memory,
    )  # fmt: skip
    graph = layered_network("streamed", (8, 8, 12), layers)
    return size_engine(engine_needs(graph), next(network_plans(graph, *array)), array, 1, budget), budget


@pytest.mark.parametrize("array", [(2, 8, 4), (1, 5, 3), (3, 12, 7)])
@pytest.mark.parametrize("depth", [512, 1024, 1500])
def test_every_pass_finds_its_weights(array: tuple[int, int, int], depth: int) -> None:
    """For all plans: the program's contents of the buffer, by the golden stream, at the least and at the most that may have been
    written when a pass runs."""
    engine, _ = sized(LAYERS, array, 400, SDRAM)
    config = replace(engine.config, streaming=True, weight_depth=depth, program_depth=4096)
    found = weight_plans(engine.plan, config.parameter_words, depth)
    assert found
    for plan in found[:: 1 if array == (2, 8, 4) else 3]:
        certified = requantize(plan.network.graph, config)
        streamed = assemble(config, plan.network, certified, plan)
        whole = assemble(replace(config, streaming=False, weight_depth=65536), plan.network, certified)
        segments = config.weight_segments
        stride = 1 << (segments - 1).bit_length()
        tag = int(streamed.external[0])
        blocks, error = read_stream(streamed.external.tolist(), tag, segments)
        assert error == 0 and len(blocks) == len(plan.blocks) and len(streamed.external) % BURST_WORDS == 0
        wanted = whole.weights.reshape(-1, stride)[:, :segments]
        pinned = streamed.weights.reshape(-1, stride)[:, :segments]
        fields = [d for layer in streamed.layers for d in layer.descriptors]
        origin = [d for layer in whole.layers for d in layer.descriptors]
        for number, (here, there) in enumerate(zip(fields, origin, strict=True)):
            words = (here["groups_last"] + 1) * ((here["taps_last"] + 1) * (here["words_last"] + 1) + config.parameter_words)
            if here["operation"] != 1:
                assert here["transfers"] == 0
                continue
            most = next((k for k, block in enumerate(blocks) if block.after > number), len(blocks))
            assert here["transfers"] <= most
            needed = max(here["transfers"], max((d["transfers"] for d in fields[:number]), default=0))
            for count in (needed, most):
                buffer = np.zeros((depth, segments), np.uint32)
                buffer[: len(pinned)] = pinned
                for block in blocks[:count]:
                    buffer[block.first : block.first + len(block.words)] = block.words
                np.testing.assert_array_equal(
                    buffer[here["weight_first"] : here["weight_first"] + words],
                    wanted[there["weight_first"] : there["weight_first"] + words],
                )


@pytest.mark.parametrize("kind", [IdealMemory, AxiMemory])
def test_a_fast_memory_costs_nothing_and_a_slow_one_the_difference(kind: Callable[..., ExternalMemory]) -> None:
    """Passes of 1000 cycles with blocks of 240 words, of which two fit: hidden at 4 cycles a word; at 5 cycles, each pass waits for
    what its block takes longer."""
    config = EngineConfig(p=1, m=1, n=1, streaming=True)
    passes = [LayerCycles(steps=1000 - 50, overhead=50)] * 20
    blocks = [BlockLoad(words=237, after=max(0, number - 1)) for number in range(20)]

    def waits(interval: int) -> list[int]:
        memory = kind(words=1 << 20, latency=2, interval=interval)
        return [item.waiting for item in streamed_passes(config, passes, list(range(1, 21)), blocks, memory)]

    assert waits(4)[0] > 900 and sum(waits(4)[1:]) == 0  # the first block comes while nothing can run
    assert all(wait == 5 * 240 - 1000 for wait in waits(5)[3:])
    assert all(wait == 7 * 240 - 1000 for wait in waits(7)[3:])


def test_waiting_for_each_other_is_an_error() -> None:
    config = EngineConfig(p=1, m=1, n=1, streaming=True)
    memory = IdealMemory(words=1 << 20, latency=2, interval=1)
    with pytest.raises(ValueError, match="pass 0 needs 1 blocks, of which only 0 come before it ends"):
        streamed_passes(config, [LayerCycles(steps=10)], [1], [BlockLoad(words=4, after=1)], memory)


def test_the_rough_cycles_are_near() -> None:
    engine, _ = sized(LAYERS, (2, 8, 4), 400, SDRAM)
    config = replace(engine.config, streaming=True, weight_depth=1024)
    for plan in weight_plans(engine.plan, config.parameter_words, 1024):
        exact, rough = (
            sum(layer.total for layer in streamed_cycles(config, plan, SDRAM, rough=rough)) for rough in (False, True)
        )
        assert rough == pytest.approx(exact, rel=0.01)


def test_the_buffer_takes_what_is_left() -> None:
    engine, budget = sized(LAYERS, (2, 8, 4), 30, SDRAM)
    assert engine.excess(budget) > 1
    streaming = streaming_engine(engine, budget)
    assert streaming is not None and streaming.weights is not None
    assert streaming.config.streaming and streaming.excess(budget) <= 1
    larger = replace(streaming.config, weight_depth=streaming.config.weight_depth + 512)
    assert excess(engine_resources(larger, Family.ECP5), budget) > 1
    assert streaming.cycles > engine.cycles


def test_the_network_must_fit_the_external_memory() -> None:
    engine, budget = sized(LAYERS, (2, 8, 4), 30, IdealMemory(words=1 << 10, latency=2, interval=1))
    assert streaming_engine(engine, budget) is None
    assert "the weights need 0.1 MiB, the external memory of board has 0.00390625" in explain_misfit(engine, budget, [])


def test_two_output_groups_must_fit_the_buffer() -> None:
    engine, budget = sized([(3, 256), 64, 10], (2, 8, 4), 30, SDRAM)
    assert plan_weights(engine.plan, 2, 4000, 0.0, 2) is None
    assert streaming_engine(engine, budget) is None
    text = explain_misfit(engine, budget, [])
    assert "needs room for two output groups: one of node 'fc1' has 2050 words of 256 bits" in text
