"""A board's bridge and engine under hostile bytes: every answer is the golden model's, and a correct inference follows without reset.

The bytes of each round follow from its seed. ``python -m macaw.scripts.regress --full`` sends a million.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from macaw.boards.accelerator import Accelerator, Images
from macaw.boards.link.client import Link
from macaw.boards.link.line import Line
from macaw.compiler.network_plan import plan_network
from macaw.compiler.program import assemble
from macaw.compiler.requantize import requantize
from macaw.hw.bus.frame import REQUEST_HEADER, REQUEST_MAGIC, Operation
from macaw.hw.config import PROGRAM_FORMAT, EngineConfig
from macaw.hw.control.register_map import MAGIC, Region, Register, region_address
from macaw.sim.frame_simulation import FramedEngine, FrameSimulation
from macaw.sim.golden.crc32 import crc32
from macaw.sim.golden.frame_bridge import FrameBridgeModel
from macaw.sim.golden.host_access import HostAccessModel
from macaw.sim.golden_network import GoldenNetwork
from macaw.sim.random_network import random_graph

CONFIG = EngineConfig(
    p=2, m=3, n=2, depth=2, feature_depth=3000, weight_depth=5000, program_depth=300, tap_depth=200, extent_width=6,
    accumulator_width=26, multiplier_width=34, shifts=(12, 20, 28, 36),
)  # fmt: skip
PAYLOAD_WORDS = 16
TIMEOUT_CYCLES = 256
_REGISTER_WORDS = range(16)


class _SimulatedLine(Line):
    """The host's client on a :class:`FrameSimulation`; time is that of the simulation."""

    port, rate, byte_seconds = "simulation", "a byte a cycle", 1e-6

    def __init__(self, simulation: FrameSimulation) -> None:
        self.simulation = simulation
        self.arrived = b""

    def open(self) -> None:
        self.simulation.idle(4 * TIMEOUT_CYCLES)

    def close(self) -> None:
        pass

    def send(self, data: bytes) -> None:
        self.arrived += self.simulation.send(data)

    def receive(self, wanted: int) -> bytes:
        data, self.arrived = self.arrived + self.simulation.idle(200), b""
        return data


class _CoreModel:
    """The core port of an engine in which no program is started."""

    def __init__(self, config: EngineConfig, registers: dict[int, int]) -> None:
        self.config = config
        segments: dict[str, Any] = {"tap_segments": 2, "weight_segments": config.weight_segments, "feature_segments": config.feature_segments}
        depths = {name: getattr(config, name) for name in ("program_depth", "tap_depth", "weight_depth", "feature_depth")}
        self.access = HostAccessModel(p=config.p, **depths, **segments).access
        self.registers = registers
        self.features: dict[tuple[int, ...], int] = {}

    def _last_bytes(self, segment: int) -> int:
        """What a segment can hold: the last one of a word may be shorter."""
        return (1 << 8 * min(4, self.config.m - 4 * segment)) - 1

    def read(self, address: int) -> tuple[int, int]:
        """Status and data."""
        found = self.access(address, False, False)
        if found.kind == "register":
            return found.status, self.registers.get(found.place[0], 0)
        return found.status, self.features.get(found.place, 0) if found.kind == "feature" else 0

    def write(self, address: int, data: int) -> int:
        """Status."""
        found = self.access(address, True, False)
        if found.kind == "feature":
            self.features[found.place] = data & self._last_bytes(found.place[2])
        elif found.kind == "register":
            number = found.place[0]
            if number != Register.CONTROL.value:
                self.registers[number] = data & (0xFF if number == Register.SCRATCH.value else 0xFFFF)
        return found.status


class _Hostility:
    """Bytes that a host should not send."""

    def __init__(self, seed: object, config: EngineConfig) -> None:
        self.chance = random.Random(f"hostile {seed}")
        self.config = config
        self.previous = b""

    def frame(self, *, starting: bool) -> bytes:
        """A frame with a right checksum and anything in it; without ``starting`` it starts no program."""
        chance = self.chance
        operation = chance.choice([*[int(item) for item in Operation] * 6, 0, 4, 255])
        region = chance.choice([0, 0, 1, 2, 3, 4, 5, 5, 15])
        depth = {1: self.config.program_depth, 5: self.config.feature_depth << 1}.get(region, self.config.tap_depth)
        edges = [0, 1, depth - 1, depth, depth + 1, (1 << 24) - 1, chance.randrange(1 << 24), chance.randrange(depth)]
        offset = chance.choice(list(_REGISTER_WORDS) if region == 0 else edges)
        address = chance.choice([0] * 9 + [1, 15]) << 28 | region << 24 | offset
        count = chance.choice([0, 1, 1, 2, 3, PAYLOAD_WORDS, PAYLOAD_WORDS + 1, chance.randrange(40)])
        words = [chance.choice([0, 1, 2, 4, 0xFFFFFFFF, chance.randrange(1 << 32)]) for _ in range(count)]
        if not starting:
            words = [word & ~3 for word in words] if address in _REGISTER_WORDS else words
        payload = struct.pack(f"<{count}I", *words) if operation == Operation.WRITE else b""
        body = struct.pack(REQUEST_HEADER, operation, chance.randrange(256), address, count) + payload
        return REQUEST_MAGIC + body + crc32(body).to_bytes(4, "little")

    def _mutated(self, frame: bytes) -> bytes:
        chance, data = self.chance, bytearray(frame)
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            at = chance.randrange(len(data))
            kind = chance.randrange(5)
            if kind == 0:
                data[at] ^= 1 << chance.randrange(8)
            elif kind == 1:
                data[at] = chance.randrange(256)
            elif kind == 2 and len(data) > 1:
                del data[at]
            elif kind == 3:
                data.insert(at, chance.choice([0x4D, 0xC7, chance.randrange(256)]))
            else:
                end = chance.randrange(at, len(data)) + 1
                data[at:at] = data[at:end]
        return bytes(data)

    def piece(self, *, starting: bool = False) -> tuple[bytes, bool]:
        """Some bytes, and whether a pause follows that ends a frame."""
        chance = self.chance
        frame = self.frame(starting=starting)
        kinds: list[Callable[[], bytes]] = [
            lambda: frame,
            lambda: frame + frame,  # duplicated
            lambda: self.previous,  # an old one again
            lambda: self._mutated(frame),
            lambda: self._mutated(frame) + frame,
            lambda: frame[: chance.randrange(len(frame))],  # cut
            lambda: frame[chance.randrange(len(frame)) :],  # its beginning is lost
            lambda: frame[: chance.randrange(len(frame))] + self.frame(starting=starting),
            lambda: chance.randbytes(chance.randrange(200)),
            lambda: bytes(chance.choice([0x4D, 0xC7, 0x6D, 1, 2, 3, 0]) for _ in range(chance.randrange(60))),
            lambda: REQUEST_MAGIC + chance.randbytes(chance.randrange(12)),
        ]
        data = chance.choice(kinds)()
        self.previous = frame
        return data, chance.random() < 0.4


class _Session:
    """A simulated board with a network: can a correct host still use it?"""

    def __init__(self, simulation: FrameSimulation) -> None:
        generator = np.random.default_rng(5)
        graph = random_graph(generator, adding=False, joining=False)
        certified = requantize(graph, CONFIG)
        plan = plan_network(graph, CONFIG.p, CONFIG.m, CONFIG.n)
        program = assemble(CONFIG, plan, certified)
        self.simulation = simulation
        self.graph, self.maps = plan.graph, program.maps
        self.images = Images(program.program, program.taps, program.weights)
        shape = self.graph.tensors[self.graph.input].shape
        self.values = generator.integers(-128, 128, (4, *shape)).astype(np.int8)
        self.wanted = GoldenNetwork(self.graph, certified).run(self.values)[self.graph.output]

    def infer(self, round_number: int) -> None:
        """A host comes, loads the network, runs it and goes."""
        self.simulation.idle(4 * TIMEOUT_CYCLES)
        with Link(_SimulatedLine(self.simulation)) as link:
            assert link.payload_words == PAYLOAD_WORDS and link.repetitions == 0
            engine = Accelerator(link, CONFIG, self.maps)
            engine.check_identity()
            engine.load(self.images)
            index = round_number % len(self.values)
            found = engine.infer(self.graph.input, self.graph.output, self.values[index])
            assert (found == self.wanted[index]).all() and link.repetitions == 0

    def registers(self) -> dict[int, int]:
        """What the registers hold; the features are cleared."""
        with Link(_SimulatedLine(self.simulation)) as link:
            link.write(region_address(Region.FEATURES, 0), np.zeros(CONFIG.feature_depth << 1, np.uint32))
            return {number: int(link.read(number, 1)[0]) for number in range(Register.CLOCK.value + 1)}


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrameSimulation]:
    design = FramedEngine(CONFIG, payload_words=PAYLOAD_WORDS, timeout_cycles=TIMEOUT_CYCLES)
    with FrameSimulation(design, tmp_path_factory.mktemp("frames")) as running:
        yield running


def _exact_round(seed: object, session: _Session, size: int) -> None:
    """``size`` hostile bytes that start no program: each answer is that of the golden model."""
    simulation = session.simulation
    registers = session.registers()
    assert (registers[0], registers[1]) == (MAGIC, PROGRAM_FORMAT)
    model = FrameBridgeModel(PAYLOAD_WORDS, _CoreModel(CONFIG, registers))
    hostility = _Hostility(seed, CONFIG)
    simulation.stall(hostility.chance.choice([0, 0, 128, 250]))
    found, wanted, sent = b"", b"", 0
    while sent < size:
        data, paused = hostility.piece()
        sent += len(data)
        found += simulation.send(data)
        wanted += model.feed(data)
        if paused:
            while len(found) < len(wanted) and (part := simulation.idle(20_000)):
                found += part
            found += simulation.idle(4 * TIMEOUT_CYCLES)
            model.pause()
            assert found == wanted, f"seed {seed}: the answers differ after {sent} bytes"
            found = wanted = b""
    simulation.stall(0)


def _wild_round(seed: object, session: _Session, size: int) -> None:
    """``size`` hostile bytes that start, stop and resume the network while they come too fast."""
    simulation = session.simulation
    hostility = _Hostility(f"{seed} wild", CONFIG)
    control = region_address(Region.REGISTERS, Register.CONTROL.value)
    sent = 0
    while sent < size:
        data, paused = hostility.piece(starting=True)
        if hostility.chance.random() < 0.3:
            body = struct.pack(REQUEST_HEADER, Operation.WRITE, hostility.chance.randrange(256), control, 1)
            body += struct.pack("<I", hostility.chance.choice([1, 1, 2, 4, 5, 7]))
            data += REQUEST_MAGIC + body + crc32(body).to_bytes(4, "little")
        sent += len(data)
        simulation.send(data, waiting=hostility.chance.random() < 0.5)
        if paused:
            simulation.idle(hostility.chance.randrange(4 * TIMEOUT_CYCLES))


@pytest.mark.parametrize("size", [30_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_hostile_bytes(simulation: FrameSimulation, size: int) -> None:
    session = _Session(simulation)
    session.infer(0)
    rounds = 6 if size < 100_000 else 40
    for number in range(rounds):
        _exact_round(f"{size} {number}", session, size // rounds // 2)
        session.infer(2 * number)
        _wild_round(f"{size} {number}", session, size // rounds // 2)
        session.infer(2 * number + 1)


def test_a_bridge_that_differs_is_noticed(simulation: FrameSimulation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: a golden model that forgets the repetition of WRITEs gives other answers."""
    session = _Session(simulation)
    feed = FrameBridgeModel.feed

    def forgetful(self: FrameBridgeModel, data: bytes) -> bytes:
        self.payload_words = PAYLOAD_WORDS - 1
        return feed(self, data)

    monkeypatch.setattr(FrameBridgeModel, "feed", forgetful)
    with pytest.raises(AssertionError, match="the answers differ"):
        _exact_round("noticed", session, 5000)
