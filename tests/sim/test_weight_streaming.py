# amaranth: UnusedElaboratable=no

"""Whole engines whose weights come from an external memory: RTL = golden model, cycles and words = model; what is wrong with
the memory ends in a status."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from macaw.boards.accelerator import Accelerator, Images
from macaw.boards.catalog import find_board
from macaw.boards.harness import SDRAM_PIN_DELAY, Harness
from macaw.boards.link.client import Link
from macaw.compiler.compilation import Compilation, compile_graph
from macaw.hw.control.register_map import CoreError, Region, Register, StatusBit, region_address
from macaw.hw.emit import verilog
from macaw.hw.emitted_module import EmittedModule
from macaw.hw.errors import CheckFailed
from macaw.hw.external.sdram_timing import MT48LC16M16
from macaw.scripts.build_folder import board_budget
from macaw.sim.core_simulation import CoreSimulation
from macaw.sim.cost.external_memory import ExternalMemory, IdealMemory, Sdram
from macaw.sim.golden_network import GoldenNetwork
from macaw.sim.layered_network import Layer, layered_network
from macaw.sim.memory_system import memory_system
from macaw.sim.simulated_board import SimulatedBoard
from macaw.sim.streaming_system import with_ideal_memory, with_sdram

CLOCK_HZ = 75_000_000
PIN_DELAY = SDRAM_PIN_DELAY
SDRAM = Sdram(cycles=MT48LC16M16.cycles(CLOCK_HZ), pin_delay=PIN_DELAY)
ARRAY = (2, 8, 4)


def compiled(
    layers: list[Layer],
    memory: ExternalMemory,
    blocks: int,
    shape: tuple[int, int, int] = (6, 6, 8),
    array: tuple[int, int, int] = ARRAY,
) -> Compilation:
    """A network on a device with so few block RAMs that its weights do not fit."""
    budget = replace(board_budget(find_board("ulx3s-85f")), block_rams=blocks, external=memory)
    return compile_graph(layered_network("streamed", shape, layers), budget, array=array, depth=1)


@dataclass
class System:
    """An engine with its memory, running."""

    compilation: Compilation
    core: CoreSimulation
    engine: Accelerator

    @property
    def images(self) -> Images:
        program = self.compilation.program
        return Images(program.program, program.taps, program.weights, program.external)

    def get(self, register: Register) -> int:
        return int(self.core.read(region_address(Region.REGISTERS, register.value), 1)[0])

    def put(self, region: Region, offset: int, words: Any) -> None:
        self.core.write(region_address(region, offset), words)

    def start(self) -> None:
        """Starts the program."""
        self.put(Region.REGISTERS, Register.LIMIT.value, [0])
        self.put(Region.REGISTERS, Register.CONTROL.value, [1])
        assert self.get(Register.STATUS) >> StatusBit.BUSY & 1

    def error(self) -> CoreError:
        """Runs the program, which must end with an error."""
        self.start()
        self.core.wait(1_000_000)
        status = self.get(Register.STATUS)
        assert not status >> StatusBit.DONE & 1
        return CoreError(status >> StatusBit.ERROR & 0xFF)


def system(compilation: Compilation, memory: ExternalMemory, folder: Path) -> Iterator[System]:
    """The RTL with its memory."""
    if isinstance(memory, IdealMemory):
        simulation = with_ideal_memory(compilation.config, memory, folder)
    else:
        simulation = with_sdram(compilation.config, MT48LC16M16, CLOCK_HZ, PIN_DELAY, folder)
    with simulation as running:
        yield System(
            compilation, running, Accelerator(running, compilation.config, compilation.program.maps, wait=running.wait)
        )


def compare(running: System, inputs: int = 2) -> None:
    """Whole runs, then one layer by layer."""
    compilation = running.compilation
    graph, program, engine = compilation.graph, compilation.program, running.engine
    engine.check_identity()
    engine.load(running.images)
    q = np.random.default_rng(3).integers(-128, 128, (inputs, *graph.tensors[graph.input].shape)).astype(np.int8)
    golden = GoldenNetwork(graph, compilation.certified).run(q)
    for index in range(inputs):
        np.testing.assert_array_equal(engine.infer(graph.input, graph.output, q[index]), golden[graph.output][index])
        waiting = sum(layer.waiting for layer in compilation.layer_cycles)
        assert engine.cycles()[0] == compilation.cycles
        assert engine.external_traffic() == (len(program.external), waiting)
    engine.write_map(graph.input, q[0])
    for number, layer in enumerate(program.layers):
        engine.run_layers(len(layer.descriptors), first=number == 0)
        np.testing.assert_array_equal(engine.read_map(layer.output), golden[layer.output][0], err_msg=layer.name)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two convolutions and three fully connected layers, ten times the weight buffer, from SDRAM."""
    compilation = compiled([(3, 16), (3, 32), 128, 96, 10], SDRAM, 18)
    yield from system(compilation, SDRAM, tmp_path_factory.mktemp("sdram"))


def test_eight_times_the_weight_buffer(running: System) -> None:
    compilation = running.compilation
    config = compilation.config
    assert config.streaming and compilation.weights is not None
    assert compilation.plan.weight_words(config.parameter_words) >= 8 * config.weight_depth
    assert sum(layer.waiting for layer in compilation.layer_cycles) > 0
    compare(running)


def test_weights_that_are_not_this_builds(running: System) -> None:
    """An empty memory, a missing one, another build's stream, one damaged word: a status each, and a sentence for the user."""
    running.engine.load(running.images)
    external = running.images.external
    graph = running.compilation.graph
    for first in (0, 0xFFFFFFFF, int(external[0]) ^ 1):
        running.put(Region.EXTERNAL, 0, [first])
        assert running.error() == CoreError.FOREIGN_WEIGHTS
    with pytest.raises(CheckFailed, match="does not hold the weights of this build: load it again"):
        running.engine.infer(graph.input, graph.output, np.zeros(graph.tensors[graph.input].shape, np.int8))
    running.put(Region.EXTERNAL, 0, external[:1])
    for offset in (1, 2, 100, len(external) // 2):
        running.put(Region.EXTERNAL, offset, external[offset : offset + 1] ^ np.uint32(1 << offset % 32))
        assert running.error() in (CoreError.DAMAGED_WEIGHTS, CoreError.STARVED)
        running.put(Region.EXTERNAL, offset, external[offset : offset + 1])
    running.put(Region.EXTERNAL, len(external) // 3, [12345])
    with pytest.raises(CheckFailed, match="wrong checksum: load the build again"):
        running.engine.infer(graph.input, graph.output, np.zeros(graph.tensors[graph.input].shape, np.int8))
    compare(running, 1)


def test_a_program_that_waits_for_ever(running: System) -> None:
    """A pass that needs more blocks than there are; blocks that are freed by no pass."""
    running.engine.load(running.images)
    program = running.images.program.copy()
    program[3] += 1  # bursts behind the last block are read and dropped
    running.put(Region.PROGRAM, 0, program)
    running.start()
    running.core.wait(1_000_000)
    assert running.get(Register.STATUS) >> StatusBit.DONE & 1
    program[3] = 1  # the stream ends in its first block: the memory is asked for no more
    running.put(Region.PROGRAM, 0, program)
    assert running.error() == CoreError.SILENT_MEMORY
    compare(running, 1)


def test_given_up_runs(running: System) -> None:
    """Runs given up at any time leave nothing behind: the next one is right, to the cycle."""
    running.engine.load(running.images)
    for cycles in (3, 11, 40, 1000, 20_000):
        running.start()
        with pytest.raises(CheckFailed, match="still busy"):
            running.core.wait(cycles)
        running.engine.give_up()
    compare(running, 1)


@pytest.mark.parametrize(
    ("latency", "interval"), [(5, 1), pytest.param(40, 1, marks=pytest.mark.slow), pytest.param(2, 7, marks=pytest.mark.slow)]
)
def test_ideal_memory(tmp_path: Path, latency: int, interval: int) -> None:
    memory = IdealMemory(words=1 << 14, latency=latency, interval=interval)
    compilation = compiled([(3, 32), (3, 32), "pool", (3, 32), 10], memory, 18, (8, 8, 16))
    assert compilation.config.streaming
    for running in system(compilation, memory, tmp_path):
        compare(running)


@pytest.mark.slow
def test_simulated_board(tmp_path: Path) -> None:
    """Over the serial line, with the harness of a board: the host's own way to load and to run."""
    compilation = compiled([(3, 8), (3, 16), 10], SDRAM, 6, array=(1, 2, 2))
    config, graph = compilation.config, compilation.graph
    assert config.streaming
    harness = Harness(config, divisor=8, clock_hz=CLOCK_HZ, sdram=MT48LC16M16)
    text = verilog(harness, name="harness")
    board = memory_system(EmittedModule(harness, "harness"), text, MT48LC16M16, CLOCK_HZ, PIN_DELAY, name="top")
    (tmp_path / "board.v").write_text(board)
    q = np.random.default_rng(4).integers(-128, 128, (1, *graph.tensors[graph.input].shape)).astype(np.int8)
    golden = GoldenNetwork(graph, compilation.certified).run(q)
    program = compilation.program
    with SimulatedBoard(tmp_path / "board.v", 8, tmp_path) as simulated, Link(simulated.port, timeout=60.0) as link:
        engine = Accelerator(link, config, program.maps, timeout=300.0)
        engine.check_identity()
        engine.load(Images(program.program, program.taps, program.weights, program.external))
        np.testing.assert_array_equal(engine.infer(graph.input, graph.output, q[0]), golden[graph.output][0])
        assert engine.cycles()[0] == compilation.cycles
