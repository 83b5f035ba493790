"""A serial flash as its data sheet has it, cycle by cycle: what a loader needs, and nothing written."""

from __future__ import annotations

__all__ = ["SpiFlashModel"]

_RELEASE, _READ, _FAST_READ = 0xAB, 0x03, 0x0B


class SpiFlashModel:
    """SPI mode 0, most significant bit first. Commands: 0xAB (release from deep power-down), 0x03 (read), 0x0B (fast read,
    8 clocks more in front of the data); 24-bit addresses, which wrap around.

    Parameters
    ----------
    contents : bytes
        From address 0 on; the rest is erased.
    size : int
        Bytes.
    asleep : bool
        Begins in deep power-down, in which it knows 0xAB only.
    wake : int
        Cycles from the end of 0xAB's selection until it answers.
    """

    def __init__(self, contents: bytes, size: int, *, asleep: bool = True, wake: int = 0) -> None:
        self.contents = contents.ljust(size, b"\xff")
        self.asleep = asleep
        self.wake = wake
        #: bytes read so far
        self.bytes_read = 0
        self._now = self._ready = 0
        self._bits: list[int] = []
        self._selected = self._clock = False
        self._output = 1

    def cycle(self, select: bool, clock: bool, data: bool) -> int:
        """The level of the data output for the levels of the other pins in one cycle."""
        self._now += 1
        if not select:
            if self._selected and len(self._bits) >= 8 and self._number(0, 8) == _RELEASE:
                self.asleep = False
                self._ready = self._now + self.wake
            self._bits, self._output = [], 1
        elif clock and not self._clock:
            self._bits.append(int(data))
        elif self._clock and not clock:
            self._show()
        self._selected, self._clock = select, clock
        return self._output

    def _number(self, first: int, end: int) -> int:
        return int("".join(map(str, self._bits[first:end])), 2)

    def _show(self) -> None:
        """The next bit, after a falling edge."""
        if self.asleep or self._now < self._ready or len(self._bits) < 8:
            return
        first = {_READ: 32, _FAST_READ: 40}.get(self._number(0, 8))
        if first is None or len(self._bits) < first:
            return
        byte, bit = divmod(len(self._bits) - first, 8)
        self._output = self.contents[(self._number(8, 32) + byte) % len(self.contents)] >> 7 - bit & 1
        self.bytes_read += bit == 7
