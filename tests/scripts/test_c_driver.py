"""The generated C driver: compiled without a warning, the same words on the line as Python's, and run on a simulated board."""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from macaw.boards.accelerator import Accelerator, Images
from macaw.boards.catalog import find_board
from macaw.boards.harness import SDRAM_PIN_DELAY, Harness
from macaw.compiler.compilation import Compilation, compile_graph
from macaw.compiler.graph import Graph
from macaw.compiler.model_import import import_model
from macaw.hw.bus.frame import ANSWER_MAGIC
from macaw.hw.config import PROGRAM_FORMAT
from macaw.hw.control.register_map import MAGIC, CoreError, Region, Register, Status, StatusBit, region_address
from macaw.hw.emit import verilog
from macaw.hw.emitted_module import EmittedModule
from macaw.hw.external.sdram_timing import MT48LC16M16
from macaw.scripts.build_folder import board_budget, load_build
from macaw.scripts.c_driver import host_order, write_driver
from macaw.scripts.inputs import random_inputs
from macaw.sim.cost.external_memory import Sdram
from macaw.sim.golden.frame_bridge import FrameBridgeModel
from macaw.sim.golden_network import GoldenNetwork, quantize_input
from macaw.sim.layered_network import layered_network
from macaw.sim.memory_system import memory_system
from macaw.sim.simulated_board import SimulatedBoard

DATA = Path(__file__).parents[2].parent / "shared" / "data"
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow")
WEIGHT_ERRORS = {
    CoreError.FOREIGN_WEIGHTS: "does not hold this build's weights: load the network again",
    CoreError.DAMAGED_WEIGHTS: "weights came from the external memory with a wrong checksum: load the network again",
    CoreError.SILENT_MEMORY: "the external memory does not answer",
    CoreError.DAMAGED_MAP: "rows of a map came back from the external memory with a wrong checksum",
    CoreError.STARVED: "a layer waits for weights that its weight stream does not have: load the network again",
}
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]


def compile_c(compiler: str, folder: Path, output: Path, *options: str, sources: tuple[str, ...]) -> None:
    command = [compiler, *WARNINGS, "-O1", *options, "-o", str(output), *sources]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0 and run.stderr == "", run.stderr


@dataclass
class FakeCore:
    """The memories of a core behind its port, without the engine."""

    identity: int
    words: dict[int, int] = field(default_factory=dict)
    status: int = 1 << StatusBit.DONE
    polls: int = 0
    magic: int = MAGIC
    version: int = PROGRAM_FORMAT
    starts: int = 0

    def read(self, address: int) -> tuple[int, int]:
        registers = {
            Register.MAGIC: self.magic, Register.FORMAT: self.version, Register.IDENTITY_LOW: self.identity & 0xFFFFFFFF,
            Register.IDENTITY_HIGH: self.identity >> 32, Register.CYCLES: 1234,
        }  # fmt: skip
        if address == region_address(Region.REGISTERS, Register.STATUS.value):
            self.polls -= 1
            return 0, 1 << StatusBit.BUSY if self.polls >= 0 else self.status
        if address >> 24 == Region.REGISTERS.value:
            return 0, registers.get(Register(address), 0)
        if address >> 24 != Region.FEATURES.value:
            return Status.WRITE_ONLY.value, 0
        return 0, self.words.get(address, 0)

    def write(self, address: int, data: int) -> int:
        if address >> 24 != Region.REGISTERS.value:
            self.words[address] = data
        elif address == Register.CONTROL.value:
            self.starts += data & 1
            self.polls = 0 if data & 8 else self.polls
        return 0


class DirectTransport:
    """Python's transport to a fake core."""

    def __init__(self, core: FakeCore) -> None:
        self.core = core

    def write(self, address: int, words: ArrayLike, progress: Any = None) -> None:
        for at, word in enumerate(np.asarray(words).tolist()):
            self.core.write(address + at, word)

    def read(self, address: int, count: int, progress: Any = None) -> NDArray[np.uint32]:
        return np.array([self.core.read(address + at)[1] for at in range(count)], np.uint32)


_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t, ctypes.c_uint)


class _Transport(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("write", _WRITE), ("read", _WRITE)]


class Driver:
    """The compiled driver over a bridge in Python; ``to_board`` and ``to_host`` may change what passes."""

    def __init__(self, library: Path, core: FakeCore, frame_words: int = 16) -> None:
        self.library = ctypes.CDLL(str(library))
        self.library.macaw_message.restype = ctypes.c_char_p
        self.bridge = FrameBridgeModel(frame_words, core)
        self.to_board: Callable[[bytes], bytes] = lambda data: data
        self.to_host: Callable[[bytes], bytes] = lambda data: data
        self.fails = False
        self.pending = b""
        self.device = ctypes.create_string_buffer(4096)
        self.transport = _Transport(None, _WRITE(self._write), _WRITE(self._read))

    def _write(self, context: Any, data: Any, count: int, timeout: int) -> int:
        if self.fails:
            return -1
        self.pending += self.to_host(self.bridge.feed(self.to_board(bytes(data[:count]))))
        return 0

    def _read(self, context: Any, data: Any, count: int, timeout: int) -> int:
        if not self.pending:
            self.bridge.pause()
            return -1 if self.fails else 0
        part, self.pending = self.pending[:count], self.pending[count:]
        ctypes.memmove(data, part, len(part))
        return len(part)

    def open(self) -> str:
        return self.text(self.library.macaw_open(self.device, self.transport, 5))

    def text(self, status: int) -> str:
        return str(self.library.macaw_message(status).decode())

    def call(self, name: str, *arguments: Any) -> str:
        return self.text(getattr(self.library, name)(self.device, *arguments))


def driver_of(graph: Graph, compilation: Compilation, folder: Path, external: NDArray[np.uint32] | None = None) -> Path:
    program = compilation.program
    images = Images(program.program, program.taps, program.weights)
    if external is not None:
        images = replace(images, external=external)
    write_driver(
        folder, compilation, graph, images, model="a */ model", board="board", clock_hz=50_000_000, baud=1_000_000
    )
    library = folder / "driver.so"
    compile_c("gcc", folder / "driver", library, "-shared", "-fPIC", sources=("macaw.c", "images.c"))
    return library


def compiled(model: Path, board: str, array: tuple[int, int, int] | None) -> tuple[Graph, Compilation]:
    graph = import_model(model)
    return graph, compile_graph(graph, board_budget(find_board(board)), array=array)


def source_values(graph: Graph, values: NDArray[Any]) -> NDArray[np.int8]:
    """Integers in the model's order: the input map without arrangement, put back in that order."""
    maps = quantize_input(graph, values).reshape(len(values), -1)
    result = np.zeros(maps.shape, np.int8)
    result[:, graph.input_order] = maps
    return result


MODELS = [
    ("digits", "ulx3s-85f", (1, 4, 2)),
    ("digits", "ulx3s-85f", (4, 8, 4)),
    ("digits", "ulx3s-85f", (3, 5, 6)),
    ("mlperf_tiny/kws_dscnn_int8.tflite", "ulx3s-85f", (7, 6, 6)),
    ("tflm/hello_world_int8.tflite", "icebreaker", (1, 3, 1)),
    ("qonnx/tfc_1w1a.onnx", "ulx3s-85f", (1, 8, 8)),
    ("project_trained/ecg_cnn1d_w4a4.onnx", "ulx3s-85f", (4, 8, 4)),
]


@pytest.fixture(scope="module", params=MODELS, ids=lambda case: f"{Path(case[0]).stem}-{'x'.join(map(str, case[2]))}")
def network(request: pytest.FixtureRequest, digits: Path) -> tuple[Graph, Compilation]:
    name, board, array = request.param
    if name != "digits":
        if not (DATA / name).is_file():
            pytest.skip(f"the staged model {name} is not here")
        return compiled(DATA / name, board, array)
    return compiled(digits, board, array)


def test_same_words_as_python(network: tuple[Graph, Compilation], tmp_path: Path) -> None:
    graph, compilation = network
    final = compilation.graph
    assert host_order(graph, compilation.arrangement, final) is not None
    library = driver_of(graph, compilation, tmp_path)
    theirs, ours = FakeCore(compilation.config.identity), FakeCore(compilation.config.identity, polls=3)
    accelerator = Accelerator(DirectTransport(theirs), compilation.config, compilation.program.maps)
    program = compilation.program
    images = Images(program.program, program.taps, program.weights)
    driver = Driver(library, ours)
    assert [driver.open(), driver.call("macaw_check")] == ["done", "done"]
    network_images = ctypes.byref(ctypes.c_char.in_dll(driver.library, "macaw_network"))
    assert driver.call("macaw_load", network_images) == "done"
    accelerator.load(images)
    inputs = random_inputs(graph, 2, seed=5).values
    maps, given = quantize_input(final, inputs), source_values(graph, inputs)
    golden = GoldenNetwork(final, compilation.certified).run(maps)[final.output]
    for index in range(2):
        accelerator.write_map(final.input, maps[index])
        assert driver.call("macaw_write_input", given[index].ctypes.data_as(ctypes.c_void_p)) == "done"
        assert ours.words == theirs.words
        accelerator.write_map(final.output, golden[index])
        ours.words = dict(theirs.words)
        output = np.full(final.output_order.size, 77, np.int8)
        assert driver.call("macaw_read_output", output.ctypes.data_as(ctypes.c_void_p)) == "done"
        assert output.tolist() == golden[index].reshape(-1)[final.output_order].tolist()
        theirs.words = dict(ours.words)
    if final.host_steps and final.host_steps[0].planes > 1:
        planes = output.reshape(final.host_steps[0].planes, -1)
        for index, column in enumerate(planes.T):
            found = driver.library.macaw_sum(output.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(index))
            assert found == int.from_bytes(column.tobytes(), "little", signed=True)
    assert driver.call("macaw_run") == "done" and ours.starts == 1


@pytest.fixture(scope="module")
def small(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Compilation]:
    graph, compilation = compiled(digits, "ulx3s-85f", (1, 4, 2))
    return driver_of(graph, compilation, tmp_path_factory.mktemp("driver")), compilation


def test_external_memory(digits: Path, tmp_path: Path) -> None:
    """It is written as soon as it is ready; a run that is under way is given up."""
    graph, compilation = compiled(digits, "ulx3s-85f", (1, 4, 2))
    external = np.arange(300, dtype=np.uint32) * 77777
    core = FakeCore(compilation.config.identity, polls=10**6)
    driver = Driver(driver_of(graph, compilation, tmp_path, external), core)
    images = ctypes.byref(ctypes.c_char.in_dll(driver.library, "macaw_network"))
    assert driver.open() == "done"
    assert "memory is not ready" in driver.call("macaw_load", images) and not core.words
    core.status |= 1 << StatusBit.MEMORY
    core.polls = 10**6
    assert driver.call("macaw_load", images) == "done"
    base = region_address(Region.EXTERNAL, 0)
    assert [core.words[base + at] for at in range(300)] == external.tolist()
    assert core.words[region_address(Region.PROGRAM, 0)] == compilation.program.program[0]


def test_an_order_without_arithmetic_is_a_table(digits: Path, tmp_path: Path) -> None:
    graph, compilation = compiled(digits, "ulx3s-85f", (1, 4, 2))
    shuffled = np.random.default_rng(3).permutation(graph.input_order.size)
    graph = replace(graph, input_order=shuffled, output_order=graph.output_order[::-1].copy()[[1, 0, *range(2, 10)]])
    compilation = replace(
        compilation,
        graph=replace(compilation.graph, input_order=shuffled, output_order=graph.output_order),
        arrangement=replace(compilation.arrangement, turned=False, fold=None),
        program=replace(
            compilation.program, maps=dict(compilation.program.maps) | {
                compilation.graph.input: replace(compilation.program.maps[compilation.graph.input], height=8, width=8, channels=1, phases=1, pitch=0)
            },
        ),
    )  # fmt: skip
    compilation.graph.tensors[compilation.graph.input] = graph.tensors[graph.input]
    assert host_order(graph, compilation.arrangement, compilation.graph) is None
    core = FakeCore(compilation.config.identity)
    driver = Driver(driver_of(graph, compilation, tmp_path), core)
    assert driver.open() == "done"
    values = np.arange(64, dtype=np.int8)
    assert driver.call("macaw_write_input", values.ctypes.data_as(ctypes.c_void_p)) == "done"
    accelerator = Accelerator(DirectTransport(core), compilation.config, compilation.program.maps)
    assert accelerator.read_map(compilation.graph.input).reshape(-1).tolist() == values[shuffled].tolist()
    accelerator.write_map(compilation.graph.output, np.arange(10, dtype=np.int8).reshape(1, 1, 10))
    output = np.zeros(10, np.int8)
    assert driver.call("macaw_read_output", output.ctypes.data_as(ctypes.c_void_p)) == "done"
    assert output.tolist() == graph.output_order.tolist()


@pytest.mark.parametrize("direction", ["to_board", "to_host"])
@pytest.mark.parametrize("kind", ["flip", "drop", "insert", "lose"])
def test_faults_on_the_line(small: tuple[Path, Compilation], direction: str, kind: str) -> None:
    library, compilation = small
    core = FakeCore(compilation.config.identity)
    driver = Driver(library, core)
    assert driver.open() == "done"
    chance = random.Random(f"{direction} {kind}")
    faults = [0]

    def disturb(data: bytes) -> bytes:
        if len(data) < 8 or chance.random() < 0.6:
            return data
        faults[0] += 1
        at = chance.randrange(len(data))
        middle = {"flip": bytes([data[at] ^ 0x10]), "drop": b"", "insert": bytes([data[at], ANSWER_MAGIC[0]])}
        return b"" if kind == "lose" else data[:at] + middle[kind] + data[at + 1 :]

    setattr(driver, direction, disturb)
    words = np.random.default_rng(2).integers(0, 1 << 32, 100, dtype=np.uint32)
    base = region_address(Region.FEATURES, 0)
    result = np.zeros(100, np.uint32)
    ended = [
        driver.call("macaw_write", ctypes.c_uint32(base), words.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(100)),
        driver.call("macaw_read", ctypes.c_uint32(base), result.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(100)),
    ]
    assert faults[0]
    if ended == ["done", "done"]:
        assert result.tolist() == words.tolist() == [core.words[base + at] for at in range(100)]
    else:
        assert "answer" in ended[0] + ended[1] or "corrupted" in ended[0] + ended[1]
    setattr(driver, direction, lambda data: data)
    assert driver.call("macaw_check") == "done"


def test_faults_are_repaired(small: tuple[Path, Compilation]) -> None:
    """Every third frame is lost or broken on its way: all words arrive."""
    library, compilation = small
    core = FakeCore(compilation.config.identity)
    driver = Driver(library, core)
    assert driver.open() == "done"
    count = [0]

    def disturb(data: bytes) -> bytes:
        count[0] += 1
        return data if count[0] % 3 else data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]

    driver.to_board = driver.to_host = disturb
    words = np.random.default_rng(4).integers(0, 1 << 32, 300, dtype=np.uint32)
    base = region_address(Region.FEATURES, 5)
    assert driver.call("macaw_write", ctypes.c_uint32(base), words.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(300)) == "done"
    result = np.zeros(300, np.uint32)
    assert driver.call("macaw_read", ctypes.c_uint32(base), result.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(300)) == "done"
    assert result.tolist() == words.tolist() == [core.words[base + at] for at in range(300)]


def test_what_is_wrong_is_said(small: tuple[Path, Compilation]) -> None:
    library, compilation = small
    identity = compilation.config.identity

    def check(**changes: Any) -> str:
        driver = Driver(library, FakeCore(identity, **changes))
        assert driver.open() == "done"
        return driver.call("macaw_check")

    assert check() == "done"
    assert "no Macaw engine" in check(magic=7)
    assert "another build" in check(version=PROGRAM_FORMAT + 1)
    driver = Driver(library, FakeCore(identity ^ 1 << 40))
    assert driver.open() == "done" and "another build" in driver.call("macaw_check")

    driver = Driver(library, FakeCore(identity))
    driver.to_host = lambda data: b""
    assert "does not answer" in driver.open()
    driver.to_host = lambda data: b"login: " * 10
    assert "corrupted" in driver.open()
    driver.fails = True
    assert "connection" in driver.open()

    core = FakeCore(identity, polls=10**9)
    driver = Driver(library, core)
    assert driver.open() == "done" and "did not finish" in driver.call("macaw_run")
    core.polls, core.status = 0, CoreError.FOREIGN_PROGRAM << StatusBit.ERROR
    assert "stopped early" in driver.call("macaw_run")
    for error, part in WEIGHT_ERRORS.items():
        core.status = error << StatusBit.ERROR
        assert part in driver.call("macaw_run")
    result = np.zeros(4, np.uint32)
    address = ctypes.c_uint32(region_address(Region.WEIGHTS, 0))
    assert "refused" in driver.call("macaw_read", address, result.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(4))


@pytest.mark.parametrize("compiler", COMPILERS)
def test_on_a_simulated_board(
    compiler: str, small_build: Path, heldout: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    """Digits through the example program and the serial port, outputs as Python's golden model."""
    build = load_build(small_build)
    graph = build.compilation.graph
    images = heldout["image"][:6]
    golden = GoldenNetwork(graph, build.compilation.certified).run(quantize_input(graph, images))[graph.output]
    (tmp_path / "inputs.bin").write_bytes(source_values(import_model(build.model), images).tobytes())
    example = tmp_path / "example"
    folder = small_build / "driver"
    compile_c(compiler, folder, example, "-DTIMEOUT=20000", sources=("example.c", "macaw.c", "images.c"))

    def run(port: str) -> subprocess.CompletedProcess[str]:
        command = [str(example), port, "inputs.bin", "outputs.bin"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    with SimulatedBoard(build.harness, build.manifest["divisor"], build.simulation_folder) as board:
        done = run(board.port)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"6 inferences, {build.manifest['cycles']} cycles each\n"
    outputs = np.frombuffer((tmp_path / "outputs.bin").read_bytes(), np.int8)
    assert outputs.tolist() == golden.reshape(6, -1)[:, graph.output_order].reshape(-1).tolist()
    missing = run(str(tmp_path / "no_port"))
    assert missing.returncode == 1 and "no_port: No such file" in missing.stderr


def test_weights_from_sdram(tmp_path: Path) -> None:
    """A network whose weights come from the SDRAM of a simulated board: outputs and cycles are Python's; weights that are not this
    build's end in the status that says so, and the next program that loads the board is right again."""
    sdram, clock_hz, divisor = MT48LC16M16, 75_000_000, 8
    memory = Sdram(cycles=sdram.cycles(clock_hz), pin_delay=SDRAM_PIN_DELAY)
    budget = replace(board_budget(find_board("ulx3s-85f")), block_rams=6, external=memory)
    source = layered_network("streamed", (4, 4, 8), [32, 10])
    compilation = compile_graph(source, budget, array=(1, 4, 2), depth=1)
    program, graph = compilation.program, compilation.graph
    assert compilation.config.streaming and len(program.external)
    harness = Harness(compilation.config, divisor=divisor, clock_hz=clock_hz, sdram=sdram)
    board = memory_system(EmittedModule(harness, "harness"), verilog(harness, name="harness"), sdram, clock_hz, SDRAM_PIN_DELAY, name="top")
    (tmp_path / "board.v").write_text(board)
    inputs = random_inputs(source, 2, seed=7).values
    golden = GoldenNetwork(graph, compilation.certified).run(quantize_input(graph, inputs))[graph.output]
    (tmp_path / "inputs.bin").write_bytes(source_values(source, inputs).tobytes())

    def example(name: str, images: Images) -> Path:
        """The example program with these images."""
        folder = tmp_path / name
        folder.mkdir()
        write_driver(folder, compilation, source, images, model=name, board="board", clock_hz=clock_hz, baud=1_000_000)
        sources = ("example.c", "macaw.c", "images.c")
        compile_c("gcc", folder / "driver", folder / "example", "-DTIMEOUT=20000", sources=sources)
        return folder / "example"

    right = Images(program.program, program.taps, program.weights, program.external)
    blocks = program.external
    foreign, damaged, starved, short = blocks.copy(), blocks.copy(), blocks.copy(), program.program.copy()
    foreign[0] ^= 1
    damaged[10] ^= 1 << 20
    starved[2] |= 0xFFFF  # the first block is written after more passes than there are
    short[3] = 1  # the stream ends in the first block, and nothing more is asked for
    wrong = {
        CoreError.FOREIGN_WEIGHTS: replace(right, external=foreign), CoreError.DAMAGED_WEIGHTS: replace(right, external=damaged),
        CoreError.STARVED: replace(right, external=starved), CoreError.SILENT_MEMORY: replace(right, program=short),
    }  # fmt: skip
    with SimulatedBoard(tmp_path / "board.v", divisor, tmp_path) as simulated:

        def run(path: Path) -> subprocess.CompletedProcess[str]:
            command = [str(path), simulated.port, "inputs.bin", "outputs.bin"]
            return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

        for error, images in wrong.items():
            failed = run(example(error.name, images))
            assert failed.returncode == 1 and WEIGHT_ERRORS[error] in failed.stderr, (error, failed)
        done = run(example("right", right))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"2 inferences, {compilation.cycles} cycles each\n")
    outputs = np.frombuffer((tmp_path / "outputs.bin").read_bytes(), np.int8)
    assert outputs.tolist() == golden.reshape(2, -1)[:, graph.output_order].reshape(-1).tolist()
