"""The SPI slave without time: what the master's transfers deliver, and what it hears."""

from __future__ import annotations

from collections import deque

__all__ = ["SpiSlaveModel"]

_IDLE = 0


class SpiSlaveModel:
    """Golden model of ``SpiSlave``.

    ``queue`` holds the bytes that the board wants to send. One is taken before a transfer, where none waits already, and
    with each byte that ends.
    """

    def __init__(self) -> None:
        self.queue: deque[int] = deque()
        self.delivered = b""
        self._waiting: int | None = None

    def transfer(self, levels: list[int]) -> list[int]:
        """The levels of the board's output for those of the master's, one a bit, the first one first."""
        if self._waiting is None and self.queue:
            self._waiting = self.queue.popleft()
        sending = _IDLE if self._waiting is None else self._waiting
        output = []
        heard = False
        received = 0
        for index, level in enumerate(levels):
            place = index % 8
            output.append(sending >> 7 - place & 1)
            received = received << 1 & 0xFF | level
            self._waiting = None
            if place == 7:
                heard = heard or received != _IDLE
                if heard:
                    self.delivered += bytes([received])
                self._waiting = self.queue.popleft() if self.queue else None
                sending = _IDLE if self._waiting is None else self._waiting
        return output
