"""The accelerator as a program sees it: load a network, give it a map, get a map."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from amaranth.utils import ceil_log2
from numpy.typing import ArrayLike, NDArray

from ..hw.config import PROGRAM_FORMAT, EngineConfig
from ..hw.control.register_map import MAGIC, BootStatus, CoreError, Region, Register, StatusBit, region_address
from ..hw.errors import CheckFailed, UserError
from ..hw.external.external_map import ExternalMap
from ..hw.memory.map_layout import MapLayout

__all__ = ["Accelerator", "Images", "Transport"]


_GIVEN_UP_AFTER = 100
"""Reads of the status after which a run has ended that was given up: it takes less than 300 cycles, a read at least 5."""


_WEIGHT_ERRORS = {
    CoreError.FOREIGN_WEIGHTS: "The external memory does not hold the weights of this build: load it again; if that does not "
    "help, the memory is missing or does not work",
    CoreError.DAMAGED_WEIGHTS: "Weights that were read from the external memory have a wrong checksum: load the build again; if "
    "that does not help, the memory does not work at this clock",
    CoreError.SILENT_MEMORY: "The external memory does not answer",
    CoreError.DAMAGED_MAP: "Rows of a map that came back from the external memory have a wrong checksum: the memory does not work at "
    "this clock",
    CoreError.STARVED: "The program waits for weights that its weight stream does not have: load the build again",
}


class Transport(Protocol):
    """Reads and writes words of the core: a board's link, or a simulation of the core."""

    def write(self, address: int, words: ArrayLike, progress: Callable[[int, int], None] | None = None) -> None:
        """Write words to consecutive addresses."""

    def read(self, address: int, count: int, progress: Callable[[int, int], None] | None = None) -> NDArray[np.uint32]:
        """Read words from consecutive addresses."""


@dataclass(frozen=True)
class Images:
    """What the host loads once: contents of the program, tap and weight regions, and of the external memory."""

    program: NDArray[np.uint32]
    taps: NDArray[np.uint32]
    weights: NDArray[np.uint32]
    external: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))

    @property
    def words(self) -> int:
        """32-bit words in all."""
        return len(self.program) + len(self.taps) + len(self.weights) + len(self.external)


class Accelerator:
    """An engine behind a transport.

    Parameters
    ----------
    transport : Transport
    config : EngineConfig
        The engine that is expected there.
    maps : mapping of str to MapLayout
        Layouts of the network's maps.
    spilled : mapping of str to ExternalMap
        Of those in the external memory.
    wait : callable, optional
        Called until the engine is idle, instead of polling the status (a simulation can do that faster).
    timeout : float
        Seconds that a run may take.
    """

    def __init__(
        self,
        transport: Transport,
        config: EngineConfig,
        maps: Mapping[str, MapLayout],
        *,
        spilled: Mapping[str, ExternalMap] | None = None,
        wait: Callable[[], None] | None = None,
        timeout: float = 10.0,
    ) -> None:
        self.transport = transport
        self.config = config
        self.maps = maps
        self.spilled = spilled or {}
        self._wait = wait
        self._timeout = timeout

    def _get(self, register: Register) -> int:
        return int(self.transport.read(region_address(Region.REGISTERS, register.value), 1)[0])

    def _set(self, register: Register, value: int) -> None:
        self.transport.write(region_address(Region.REGISTERS, register.value), [value])

    def check_identity(self) -> None:
        """Raises UserError unless the engine there is the one that the program was made for."""
        if self._get(Register.MAGIC) != MAGIC:
            raise UserError("What answers there is not a Macaw engine: program the board with this build's bitstream.")
        version = self._get(Register.FORMAT)
        if version != PROGRAM_FORMAT:
            raise UserError(
                f"The engine there reads program format {version}, this build has format {PROGRAM_FORMAT}: program the "
                "board with this build's bitstream."
            )
        identity = self._get(Register.IDENTITY_HIGH) << 32 | self._get(Register.IDENTITY_LOW)
        if identity != self.config.identity:
            raise UserError(
                f"The engine there has identity {identity:016x}, but this build is for {self.config.identity:016x}: "
                "program the board with this build's bitstream, or use the build that it was programmed with."
            )

    def check_boot(self) -> None:
        """Raises UserError unless the engine was loaded from its board's flash; the sentence says why it was not."""
        try:
            status = self._get(Register.BOOT)
        except CheckFailed as error:
            raise UserError(
                "The engine there does not load itself from a flash: program the board with this build's bitstream."
            ) from error
        if status == BootStatus.LOADED:
            return
        reasons: dict[int, str] = {
            BootStatus.LOADING: "it is still loading",
            BootStatus.NO_IMAGE: "there is no image at its place in the flash",
            BootStatus.OTHER_ENGINE: f"the image in the flash is for another engine than {self.config.identity:016x}, or its "
            "header is damaged",
            BootStatus.DAMAGED: "the image in the flash is damaged: a checksum is wrong, or a part is missing",
        }
        reason = reasons.get(status, f"its boot status is {status}")
        raise UserError(
            f"The engine was not loaded from the board's flash: {reason}. Write this build's image (`macaw flash DIR`) and "
            "switch the board off and on."
        )

    def clock_hz(self) -> int:
        """The clock that the board top was built for; 0 if unknown."""
        return self._get(Register.CLOCK)

    def load(self, images: Images, progress: Callable[[int, int], None] | None = None) -> None:
        """Write program, taps, weights and external memory; a run that is still under way, another host's, is given up."""
        if self.config.streaming or self._get(Register.STATUS) >> StatusBit.BUSY & 1:
            self.give_up()
        if len(images.external):
            self._await_memory()
        done = 0
        parts = (
            (Region.EXTERNAL, images.external), (Region.TAPS, images.taps), (Region.WEIGHTS, images.weights),
            (Region.PROGRAM, images.program),
        )  # fmt: skip
        for region, words in parts:
            base = done

            def report(part: int, _all: int, base: int = base) -> None:
                if progress:
                    progress(base + part, images.words)

            if len(words):
                self.transport.write(region_address(region, 0), words, report)
            done += len(words)

    def _await_memory(self) -> None:
        """Until the external memory is initialized. Raises CheckFailed if that takes too long."""
        deadline = time.monotonic() + self._timeout
        while not self._get(Register.STATUS) >> StatusBit.MEMORY & 1:
            if time.monotonic() > deadline:
                raise CheckFailed(f"The external memory was not ready after {self._timeout:g} s.")

    def _feature_offset(self, layout: MapLayout) -> int:
        return layout.base << self.config.bank_bits + ceil_log2(self.config.feature_segments)

    def write_map(self, name: str, values: NDArray[np.int8]) -> None:
        """Put a map into the feature buffer, or into the external memory: int8, shape (height, width, channels)."""
        if name in self.spilled:
            place = self.spilled[name]
            self.transport.write(region_address(Region.EXTERNAL, place.first), place.pack(values))
            return
        layout = self.maps[name]
        image = layout.pack(values)
        banks, segments = 1 << self.config.bank_bits, 1 << ceil_log2(self.config.feature_segments)
        padded = np.zeros((layout.size, banks, 4 * segments), np.uint8)
        padded[:, : layout.p, : layout.m] = image
        words = padded.reshape(-1).view("<u4").astype(np.uint32)
        self.transport.write(region_address(Region.FEATURES, self._feature_offset(layout)), words)

    def read_map(self, name: str) -> NDArray[np.int8]:
        """The inverse of :meth:`write_map`, of a map in the feature buffer."""
        return self.read_layout(self.maps[name])

    def read_layout(self, layout: MapLayout) -> NDArray[np.int8]:
        """What lies in the feature buffer in this layout."""
        banks, segments = 1 << self.config.bank_bits, 1 << ceil_log2(self.config.feature_segments)
        address = region_address(Region.FEATURES, self._feature_offset(layout))
        words = self.transport.read(address, layout.size * banks * segments)
        padded = words.astype("<u4").view(np.uint8).reshape(layout.size, banks, 4 * segments)
        return layout.unpack(np.ascontiguousarray(padded[:, : layout.p, : layout.m]))

    def _finish(self) -> int:
        if self._wait:
            self._wait()
        deadline = time.monotonic() + self._timeout
        while (status := self._get(Register.STATUS)) >> StatusBit.BUSY & 1:
            if time.monotonic() > deadline:
                self.give_up()
                raise CheckFailed(f"The engine was still busy after {self._timeout:g} s; the run was given up.")
        error = status >> StatusBit.ERROR & 0xFF
        if error == CoreError.FOREIGN_PROGRAM:
            raise UserError("The engine holds no program made for it: load this build's program first.")
        if error in _WEIGHT_ERRORS:
            raise CheckFailed(f"{_WEIGHT_ERRORS[CoreError(error)]} (layer {status >> StatusBit.LAYERS}).")
        if error:
            raise CheckFailed(f"The engine stopped with {CoreError(error).name} in layer {status >> StatusBit.LAYERS}.")
        return status

    def run(self) -> None:
        """Run the whole program."""
        self._set(Register.LIMIT, 0)
        self._set(Register.CONTROL, 1)
        status = self._finish()
        if not status >> StatusBit.DONE & 1:
            raise CheckFailed("The engine stopped before the end of its program.")

    def run_layers(self, count: int, *, first: bool) -> None:
        """Run ``count`` descriptors, from the start of the program (``first``) or from where it paused."""
        self._set(Register.LIMIT, count)
        self._set(Register.CONTROL, 1 if first else 2)
        self._finish()

    def give_up(self) -> None:
        """End a run at once; the maps hold anything then. Raises CheckFailed if the engine stays busy."""
        self._set(Register.CONTROL, 8)
        for _ in range(_GIVEN_UP_AFTER):
            if not self._get(Register.STATUS) >> StatusBit.BUSY & 1:
                return
        raise CheckFailed("The engine does not give up its run: program the board again.")

    def infer(self, source: str, target: str, values: NDArray[np.int8]) -> NDArray[np.int8]:
        """One inference: write the map ``source``, run, read the map ``target``."""
        self.write_map(source, values)
        self.run()
        return self.read_map(target)

    def external_traffic(self) -> tuple[int, int]:
        """32-bit words that the last run read from the external memory, and cycles in which it waited for them."""
        return self._get(Register.EXTERNAL_WORDS), self._get(Register.EXTERNAL_STALLS)

    def external_written(self) -> int:
        """32-bit words that the last run wrote to the external memory."""
        return self._get(Register.EXTERNAL_WRITTEN)

    def cycles(self) -> tuple[int, int]:
        """Cycles of the last run, and how many of them the sequencer waited for the drain."""
        return self._get(Register.CYCLES), self._get(Register.STALLS)
