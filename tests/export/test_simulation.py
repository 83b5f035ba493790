"""Exported Verilog of small networks, simulated behind each bus: outputs and cycles are the golden ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from macaw.boards.accelerator import Accelerator
from macaw.boards.catalog import find_board
from macaw.compiler.compilation import Compilation, compile_graph
from macaw.compiler.model_import import import_model
from macaw.compiler.weight_streaming import streamed_cycles
from macaw.export.design import Design
from macaw.export.register_table import constants
from macaw.export.verilog_text import header, modules, split
from macaw.scripts.axi_timing import cycles_with
from macaw.scripts.build_folder import board_budget
from macaw.scripts.demo import example
from macaw.sim.cost.axi_memory import AxiMemory
from macaw.sim.golden_network import GoldenNetwork
from macaw.sim.layered_network import layered_network
from macaw.sim.random_network import random_graph
from macaw.sim.simulator import run_bench

INPUTS = 2


class _Recorder:
    """A transport that keeps the words that were written last."""

    words: NDArray[np.uint32]

    def write(self, address: int, words: ArrayLike, progress: Callable[[int, int], None] | None = None) -> None:
        self.words = np.asarray(words, np.uint32)

    def read(self, address: int, count: int, progress: Callable[[int, int], None] | None = None) -> NDArray[np.uint32]:
        raise AssertionError("nothing is read")


@pytest.fixture(scope="module")
def network() -> Compilation:
    """Three banks of words of five bytes: gaps everywhere."""
    graph = random_graph(np.random.default_rng(54), 2)
    return compile_graph(graph, board_budget(find_board("ulx3s-85f")), array=(3, 5, 2))


def _file(network: Compilation, folder: Path) -> Path:
    """Inputs, outputs and images as words, for the bench."""
    graph, program = network.graph, network.program
    recorder = _Recorder()
    accelerator = Accelerator(recorder, network.config, program.maps)

    def words(name: str, values: NDArray[np.int8]) -> NDArray[np.uint32]:
        accelerator.write_map(name, values)
        return recorder.words

    shape = graph.tensors[graph.input].shape
    inputs = np.random.default_rng(1).integers(-128, 128, (INPUTS, *shape)).astype(np.int8)
    outputs = GoldenNetwork(graph, network.certified).run(inputs)[graph.output]
    path = folder / "network.npz"
    np.savez(
        path,
        inputs=np.stack([words(graph.input, values) for values in inputs]),
        outputs=np.stack([words(graph.output, values) for values in outputs]),
        output_mask=words(graph.output, np.full(outputs.shape[1:], -1, np.int8)),
        program=program.program,
        taps=program.taps,
        weights=program.weights,
        external=program.external,
    )
    return path


@pytest.mark.parametrize("bus", ["axi", *(pytest.param(bus, marks=pytest.mark.slow) for bus in ("wishbone", "wishbone-pipelined"))])
def test_network(network: Compilation, bus: str, tmp_path: Path) -> None:
    _simulate(network, bus, tmp_path)


@pytest.mark.slow
def test_spilled_maps(tmp_path: Path) -> None:
    """Rows of maps go over the AXI4 master and come back, with pauses on every channel; with memories of known timing in the
    predicted cycles."""
    memories = [AxiMemory(words=1 << 16, latency=9), AxiMemory(words=1 << 16, latency=30, interval=2, gap=3, ahead=2, response=7)]
    budget = replace(board_budget(find_board("ulx3s-85f")), block_rams=6, external=memories[0])
    network = compile_graph(layered_network("spilled", (10, 10, 4), [(3, 32), (3, 32), (1, 4)]), budget, array=(1, 4, 2), depth=1)
    assert any(layer.map_words_written for layer in network.layer_cycles) and any(layer.map_words_read for layer in network.layer_cycles)
    _simulate(network, "axi", tmp_path, simulator="verilator", memories=_predicted(network, memories), faults=False)


@pytest.mark.slow
def test_memories_on_axi(tmp_path: Path) -> None:
    """Weights come over the AXI4 master. With a memory of known latency and rate the engine takes the predicted cycles, with one that
    pauses at random it computes the same, and what a memory does wrong ends in a status. A fast memory hides all weights."""
    fast, *slow = memories = [
        AxiMemory(words=1 << 16, latency=9), AxiMemory(words=1 << 16, latency=30, interval=12), AxiMemory(words=1 << 16, latency=150, ahead=2),
        AxiMemory(words=1 << 16, latency=1, interval=3, gap=90, ahead=1),
    ]  # fmt: skip
    budget = replace(board_budget(find_board("ulx3s-85f")), block_rams=6, external=fast)
    graph = layered_network("streamed", (4, 4, 8), [(3, 16), (3, 16), (3, 16), (3, 8)])
    network = compile_graph(graph, budget, array=(1, 4, 2), depth=1)
    assert network.config.streaming and network.weights is not None
    predicted = _predicted(network, memories)
    assert predicted[0]["stalls"] == 0 and predicted[0]["cycles"] == network.cycles
    # A slower stream costs what the array waits, and nothing else.
    assert all(item["cycles"] - network.cycles == item["stalls"] > 0 for item in predicted[1:]) and len(slow) == 3
    _simulate(network, "axi", tmp_path, simulator="verilator", memories=predicted)


@pytest.mark.slow
def test_digits(tmp_path: Path) -> None:
    """The bundled network, through AXI4-Lite and through AXI4-Stream."""
    graph = import_model(example("digits_int8.onnx"))
    network = compile_graph(graph, board_budget(find_board("ulx3s-85f")), array=(2, 4, 2))
    _simulate(network, "axi", tmp_path, simulator="verilator")


def _predicted(network: Compilation, memories: Sequence[AxiMemory]) -> list[dict[str, Any]]:
    """What the cycle model says of a network with each memory."""
    assert network.weights is not None
    found = []
    for memory in memories:
        layers = streamed_cycles(network.config, network.weights, memory)
        stalls = sum(layer.waiting for layer in layers)
        words = len(network.program.external) + sum(layer.map_words_read for layer in layers)
        found.append({"timing": asdict(memory), "cycles": cycles_with(network, memory), "stalls": stalls, "words": words})
    return found


def _simulate(
    network: Compilation, bus: str, tmp_path: Path, *, simulator: str = "icarus", memories: Sequence[dict[str, Any]] = (),
    faults: bool = True,
) -> None:
    """Export, and run the bench."""
    maps, graph = network.program.maps, network.graph
    design = Design(
        name="macaw_small", bus=bus, config=network.config, model="small.onnx", cycles=network.cycles,
        source=maps[graph.input], target=maps[graph.output], family=None, version="0",
        memory_base=0x1000_0000, memory_words=network.weights.external_words(network.config) if network.weights else 0,
    )  # fmt: skip
    (text,) = split(modules(design)[0], header(design), each=False).values()
    path = tmp_path / "macaw_small.v"
    path.write_text(text)
    run_bench(
        path, top="macaw_small", test_module="macaw.sim.bench.bus_network", build_dir=tmp_path, simulator=simulator,
        parameters={
            "bus": bus, "network": str(_file(network, tmp_path)), "constants": constants(design),
            "streamed": network.config.streaming, "memories": list(memories), "faults": faults,
        },
    )  # fmt: skip
