"""Golden model of the sequencer: which layers of a program run, and how the run ends."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["FOREIGN_PROGRAM", "ILLEGAL_NUMBER", "ILLEGAL_OPERATION", "RUNAWAY_PROGRAM", "SequencerModel"]

FOREIGN_PROGRAM, ILLEGAL_OPERATION, RUNAWAY_PROGRAM, ILLEGAL_NUMBER = 1, 2, 3, 4


class SequencerModel:
    """State after each start or resume: ``done``, ``paused``, ``error`` (0: none) and ``layers`` finished.

    Parameters
    ----------
    program : sequence of int
        The whole program memory, 32-bit words.
    identity : int
        64 bits.
    size : int
        Words of a descriptor; its operation is the two lowest bits, 0 ends the program.
    operations : collection of int
        Operations that the engine has.
    header : int
        Words in front of the first descriptor.
    limits : collection of (int, int, int)
        First bit and width of a field of the descriptor, and the number that it must be below.
    """

    def __init__(
        self, program: Sequence[int], identity: int, size: int, operations: Collection[int],
        limits: Collection[tuple[int, int, int]] = (), header: int = 2,
    ) -> None:  # fmt: skip
        self.program, self.identity, self.size, self.operations = list(program), identity, size, set(operations)
        self.limits = list(limits)
        self.header = header
        self.done = self.paused = False
        self.error = self.layers = 0
        self._at = 0

    def start(self, limit: int, stop_after: int | None = None) -> list[int]:
        """Run from the first layer; returns the descriptors that ran. ``stop_after``: layers after which a stop ends the run."""
        self.done = self.paused = False
        self.error = self.layers = 0
        self._at = self.header
        if self.program[0] | self.program[1] << 32 != self.identity:
            self.error = FOREIGN_PROGRAM
            return []
        return self._run(limit, stop_after)

    def resume(self, limit: int, stop_after: int | None = None) -> list[int]:
        """Go on after a pause; does nothing otherwise."""
        if not self.paused:
            return []
        self.paused = False
        return self._run(limit, stop_after)

    def _run(self, limit: int, stop_after: int | None) -> list[int]:
        ran: list[int] = []
        while not self.paused:
            words = self.program[self._at : self._at + self.size]
            if len(words) < self.size:
                self.error = RUNAWAY_PROGRAM
                break
            self._at += self.size
            descriptor = sum(word << 32 * index for index, word in enumerate(words))
            if descriptor % 4 == 0:
                self.done = True
                break
            if descriptor % 4 not in self.operations:
                self.error = ILLEGAL_OPERATION
                break
            if any(descriptor >> first & (1 << width) - 1 >= count for first, width, count in self.limits):
                self.error = ILLEGAL_NUMBER
                break
            ran.append(descriptor)
            self.layers += 1
            self.paused = len(ran) == limit or stop_after == len(ran)
        return ran
