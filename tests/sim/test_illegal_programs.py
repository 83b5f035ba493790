"""What an engine makes of programs that are none, or not its own: a status each, and a correct inference afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import pytest

from macaw.boards.accelerator import Accelerator, Images
from macaw.compiler.network_plan import plan_network
from macaw.compiler.program import assemble
from macaw.compiler.requantize import requantize
from macaw.hw.config import EngineConfig
from macaw.hw.control.descriptor import descriptor_layout, descriptor_limits, descriptor_words
from macaw.hw.control.register_map import CoreError, Region, Register, StatusBit, region_address
from macaw.hw.emit import write_verilog
from macaw.hw.engine import Engine
from macaw.hw.errors import CheckFailed, UserError
from macaw.hw.memory.map_layout import MapLayout
from macaw.sim.core_simulation import CoreSimulation
from macaw.sim.golden_network import GoldenNetwork
from macaw.sim.random_network import random_graph

# A tile's pixels leave long after its last step: a run that is given up has much on its way.
CONFIG = EngineConfig(
    p=3, m=3, n=2, depth=8, requantizer_digit=2, feature_depth=3000, weight_depth=5000, program_depth=300, tap_depth=200, extent_width=6,
    accumulator_width=26, multiplier_width=34, shifts=(12, 20, 28, 36),
)  # fmt: skip


class Loaded:
    """A network for CONFIG and the core that runs it."""

    def __init__(self, core: CoreSimulation) -> None:
        generator = np.random.default_rng(18)  # two convolutions with padding at all sides, and a pooling
        graph = random_graph(generator, adding=False, joining=False)
        certified = requantize(graph, CONFIG)
        plan = plan_network(graph, CONFIG.p, CONFIG.m, CONFIG.n)
        program = assemble(CONFIG, plan, certified)
        self.core = core
        self.layers = program.layers
        self.images = Images(program.program, program.taps, program.weights)
        self.graph = plan.graph
        self.engine = Accelerator(core, CONFIG, program.maps, wait=lambda: core.wait(5_000_000))
        self.values = generator.integers(-128, 128, self.graph.tensors[self.graph.input].shape).astype(np.int8)
        self.maps = GoldenNetwork(self.graph, certified).run(self.values[None])
        self.wanted = self.maps[self.graph.output][0]

    def check(self) -> None:
        """Load and run: the output is right."""
        self.engine.load(self.images)
        assert (self.engine.infer(self.graph.input, self.graph.output, self.values) == self.wanted).all()

    def status(self) -> int:
        """The register STATUS."""
        return int(self.core.read(region_address(Region.REGISTERS, Register.STATUS.value), 1)[0])

    def control(self, value: int) -> None:
        """Write the register CONTROL."""
        self.core.write(region_address(Region.REGISTERS, Register.CONTROL.value), [value])

    def poke(self, word: int, value: int) -> None:
        """Write a word of the program."""
        self.core.write(region_address(Region.PROGRAM, word), [value])

    def stopped(self, error: CoreError) -> None:
        """Run: it ends with this error, without a layer, and nothing is done."""
        with pytest.raises((CheckFailed, UserError)):
            self.engine.run()
        status = self.status()
        assert status >> StatusBit.ERROR & 0xFF == error and status >> StatusBit.LAYERS == 0
        assert not status >> StatusBit.BUSY & 1 and not status >> StatusBit.DONE & 1


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreSimulation]:
    folder = tmp_path_factory.mktemp("core")
    write_verilog(Engine(CONFIG), folder / "core.v", name="core")
    with CoreSimulation(folder / "core.v", folder) as running:
        yield running


@pytest.fixture
def loaded(core: CoreSimulation) -> Loaded:
    return Loaded(core)


def test_power_up_without_a_program(loaded: Loaded) -> None:
    """First of the tests: the memories hold what they hold at power-up."""
    with pytest.raises(UserError, match="holds no program made for it: load this build's program first"):
        loaded.engine.run()
    loaded.stopped(CoreError.FOREIGN_PROGRAM)
    loaded.check()


@pytest.mark.parametrize("bit", [0, 31, 32, 63])
def test_program_of_another_engine(loaded: Loaded, bit: int) -> None:
    """One bit of the identity is another."""
    loaded.check()
    loaded.poke(bit // 32, int(loaded.images.program[bit // 32]) ^ 1 << bit % 32)
    loaded.stopped(CoreError.FOREIGN_PROGRAM)
    loaded.check()


def test_operation_that_does_not_exist(loaded: Loaded) -> None:
    loaded.check()
    loaded.poke(2, int(loaded.images.program[2]) | 3)
    loaded.stopped(CoreError.ILLEGAL_OPERATION)
    loaded.check()


@pytest.mark.parametrize("field", descriptor_limits(CONFIG))
def test_number_of_what_does_not_exist(loaded: Loaded, field: str) -> None:
    """A fourth pixel of three, a fourth byte of three."""
    loaded.check()
    place = descriptor_layout(CONFIG)[field]
    first, ones = divmod(place.offset, 32)[0], (1 << place.width) - 1 << place.offset % 32
    for word, part in ((first, ones & 0xFFFFFFFF), (first + 1, ones >> 32)):
        loaded.poke(2 + word, int(loaded.images.program[2 + word]) | part)
    loaded.stopped(CoreError.ILLEGAL_NUMBER)
    loaded.check()


def test_program_without_an_end(loaded: Loaded) -> None:
    """The first layer again and again, to the end of the memory."""
    loaded.check()
    words = descriptor_words(CONFIG)
    first = loaded.images.program[2 : 2 + words]
    loaded.core.write(region_address(Region.PROGRAM, 2), np.tile(first, (CONFIG.program_depth - 2) // words))
    with pytest.raises(CheckFailed, match="RUNAWAY_PROGRAM"):
        loaded.engine.run()
    assert loaded.status() >> StatusBit.LAYERS == (CONFIG.program_depth - 2) // words
    loaded.check()


def test_any_descriptor_can_be_given_up(loaded: Loaded) -> None:
    """Random bits in the place of descriptors: the port answers, the run ends when it is told to, and nothing of it stays."""
    chance = np.random.default_rng(9)
    words = descriptor_words(CONFIG)
    busy = 0
    for round_number in range(60):
        loaded.engine.load(loaded.images)
        loaded.engine.write_map(loaded.graph.input, loaded.values)
        garbage = chance.integers(0, 1 << 32, words, dtype=np.uint32)
        garbage[0] = garbage[0] & ~np.uint32(3) | np.uint32(1 + round_number % 2)
        loaded.core.write(region_address(Region.PROGRAM, 2), garbage)
        loaded.control(1)
        loaded.core.read(region_address(Region.REGISTERS, 0), int(chance.integers(1, 400)) % 11 + 1)
        try:
            loaded.core.wait(int(chance.integers(1, 3000)))
        except CheckFailed:
            busy += 1
        loaded.engine.give_up()
        assert loaded.status() == 0
        loaded.check()
    assert busy > 20, "nearly all of them end by themselves: the test tries nothing"


def test_a_run_can_be_given_up_at_any_time(loaded: Loaded) -> None:
    """The run after it is right, with the same cycles."""
    loaded.check()
    cycles = loaded.engine.cycles()
    for at in [*range(1, 60, 3), *range(60, cycles[0], max(1, cycles[0] // 25))]:
        loaded.engine.write_map(loaded.graph.input, loaded.values)
        loaded.control(1)
        try:
            loaded.core.wait(at)
        except CheckFailed:
            loaded.engine.give_up()
            assert loaded.status() == 0
        assert (loaded.engine.infer(loaded.graph.input, loaded.graph.output, loaded.values) == loaded.wanted).all()
        assert loaded.engine.cycles() == cycles


def test_the_host_writes_while_a_program_runs(loaded: Loaded) -> None:
    """Its words reach the feature buffer in cycles in which the engine writes none: what both have written is there."""
    loaded.check()
    chance = np.random.default_rng(2)
    first = max(layout.base + layout.size for layout in loaded.engine.maps.values())
    spare = MapLayout(p=CONFIG.p, m=CONFIG.m, height=1, width=3, channels=3, base=first)
    host = Accelerator(loaded.core, CONFIG, {"spare": spare})
    half, busy = loaded.engine.cycles()[0] // 2, 0
    for _ in range(60):
        values = chance.integers(-128, 128, (1, 3, 3)).astype(np.int8)
        loaded.engine.write_map(loaded.graph.input, loaded.values)
        loaded.control(1)
        with pytest.raises(CheckFailed, match="still busy"):
            loaded.core.wait(int(chance.integers(1, half)))
        for _ in range(100):
            with contextlib.suppress(CheckFailed):  # the engine has written in too many cycles on end
                host.write_map("spare", values)
                break
        busy += loaded.status() >> StatusBit.BUSY & 1
        loaded.core.wait(5_000_000)
        assert (loaded.engine.read_map(loaded.graph.output) == loaded.wanted).all()
        assert (host.read_map("spare") == values).all()
    assert busy > 40, "many words were written behind the program's end: the test tries nothing"


def test_pauses(loaded: Loaded) -> None:
    """Layer by layer: each map is right, and in a pause the counters stand."""
    loaded.check()
    loaded.engine.write_map(loaded.graph.input, loaded.values)
    for number, layer in enumerate(loaded.layers):
        loaded.engine.run_layers(len(layer.descriptors), first=number == 0)
        assert loaded.status() >> StatusBit.PAUSED & 1 and loaded.engine.cycles() == loaded.engine.cycles()
        assert (loaded.engine.read_map(layer.output) == loaded.maps[layer.output][0]).all()
    assert len(loaded.layers) > 2


def test_a_limit_beyond_the_end(loaded: Loaded) -> None:
    """A run that may take more layers than it has is done, whatever the bits of the limit."""
    loaded.check()
    for limit in (0x0101, 0x1001, 0xFFFF):
        loaded.core.write(region_address(Region.REGISTERS, Register.LIMIT.value), [limit])
        loaded.control(1)
        loaded.core.wait(5_000_000)
        status = loaded.status()
        assert status >> StatusBit.DONE & 1 and not status >> StatusBit.PAUSED & 1 and status >> StatusBit.LAYERS > 1


def test_nothing_is_written_behind_a_run_that_was_given_up(loaded: Loaded) -> None:
    """Pixels of the first layer that had not left yet do not: its map stays as the host finds it."""
    loaded.check()
    output = loaded.layers[0].output
    layout = loaded.engine.maps[output]
    others = -1 - loaded.maps[output][0]  # no value is what the layer would write
    features, banks = region_address(Region.FEATURES, 0), 1 << CONFIG.bank_bits
    last_row = [layout.base + word * layout.plane_words + (layout.height - 1) * layout.line_words for word in range(layout.words)]
    for at in range(4, loaded.engine.cycles()[0] // 2, 7):
        loaded.engine.write_map(output, others)
        loaded.engine.write_map(loaded.graph.input, loaded.values)
        loaded.control(1)
        with pytest.raises(CheckFailed, match="still busy"):
            loaded.core.wait(at)
        loaded.engine.give_up()
        found = []
        for _ in range(2):
            found.append([loaded.core.read(features + banks * place, 1).tolist() for place in last_row])
            loaded.core.read(region_address(Region.REGISTERS, 0), 11)
        assert found[0] == found[1], f"words were written behind a run given up in cycle {at}"


def test_a_new_host_ends_the_run_of_the_one_before(loaded: Loaded) -> None:
    loaded.check()
    loaded.engine.write_map(loaded.graph.input, loaded.values)
    loaded.control(1)
    assert loaded.status() >> StatusBit.BUSY & 1
    loaded.check()


def test_a_run_that_takes_too_long_is_given_up(loaded: Loaded) -> None:
    loaded.check()
    loaded.engine.write_map(loaded.graph.input, loaded.values)
    impatient = Accelerator(loaded.core, CONFIG, loaded.engine.maps, timeout=0.0)
    with pytest.raises(CheckFailed, match="was still busy after 0 s; the run was given up"):
        impatient.run()
    assert loaded.status() == 0
    loaded.check()


def test_an_engine_that_stays_busy(loaded: Loaded) -> None:
    """The host does not wait for ever either."""

    class Stuck:
        def write(self, address: int, words: object, progress: object = None) -> None: ...

        def read(self, address: int, count: int, progress: object = None) -> np.ndarray:
            return np.ones(count, np.uint32)

    with pytest.raises(CheckFailed, match="does not give up its run: program the board again"):
        Accelerator(Stuck(), CONFIG, loaded.engine.maps).load(loaded.images)
