"""Golden model of the stream runner: what a packet asks of the core, and the packet that answers it."""

from __future__ import annotations

from collections.abc import Sequence

from .frame_bridge import Core

__all__ = ["Beat", "StreamModel"]

_STATUS, _CONTROL = 6, 4
_FEATURES = 5 << 24
_DONE, _EARLY_LAST, _LATE_LAST, _REFUSED, _STOPPED = range(5)

Beat = tuple[int, int, int]
"""``tdata``, ``tlast``, ``tuser``."""


class StreamModel:
    """Registers and packets, one after the other, on ``core``, which answers a read of the status when it is idle.

    Attributes
    ----------
    places : list of 4 int
        INPUT_FIRST, INPUT_LAST, OUTPUT_FIRST, OUTPUT_LAST.
    outcome, packets : int
        What STREAM_STATUS shows.
    """

    def __init__(self, core: Core, places: Sequence[int]) -> None:
        self.core = core
        self.places = list(places)
        self.outcome = _DONE
        self.packets = 0

    def answer(self, words: Sequence[int]) -> list[Beat]:
        """The beats that answer a packet of ``words``."""
        self.packets = (self.packets + 1) % 2**16
        beats = self._run(words)
        if isinstance(beats, list):
            self.outcome = _DONE
            return beats
        done, outcome, status, error = beats
        self.outcome = outcome
        return [*done, (outcome | status << 8 | error << 16, 1, 1)]

    def _run(self, words: Sequence[int]) -> list[Beat] | tuple[list[Beat], int, int, int]:
        """The whole answer, or the beats that were sent, outcome, status of the core and its error."""
        first, last, output_first, output_last = self.places
        size = last - first + 1
        for index, word in enumerate(words[:size]):
            if status := self.core.write(_FEATURES | first + index, word):
                return [], _REFUSED, status, 0
        if len(words) != size:
            return [], _EARLY_LAST if len(words) < size else _LATE_LAST, 0, 0
        if status := self.core.write(_CONTROL, 1):
            return [], _REFUSED, status, 0
        status, state = self.core.read(_STATUS)
        error = state >> 8 & 0xFF
        if status or error or not state & 2:
            return [], _REFUSED if status else _STOPPED, status, error
        beats: list[Beat] = []
        for offset in range(output_first, output_last + 1):
            status, word = self.core.read(_FEATURES | offset)
            if status:
                return beats, _REFUSED, status, 0
            beats.append((word, int(offset == output_last), 0))
        return beats
