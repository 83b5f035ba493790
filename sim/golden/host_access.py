"""Golden model of the host's access to the core: what each request is answered with, and what it does."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ADDRESS", "BUSY", "OK", "READ_ONLY", "WRITE_ONLY", "Access", "HostAccessModel"]

OK, ADDRESS, BUSY, READ_ONLY, WRITE_ONLY = range(5)

_REGISTERS, _PROGRAM, _TAPS, _WEIGHTS, _FEATURES, _EXTERNAL = 0, 1, 2, 4, 5, 7
_CONTROL, _LIMIT, _SCRATCH, _CLOCK, _BOOT, _EXTERNAL_WORDS, _EXTERNAL_STALLS = 4, 5, 9, 10, 11, 12, 13
_EXTERNAL_WRITTEN = 14


@dataclass(frozen=True)
class Access:
    """What a request leads to.

    ``status``: BUSY of a write to the features means that it is tried for a while. ``kind``: what is read or written,
    "" if nothing is. ``place``: register, or (address, segment), or (address, bank, segment).
    """

    status: int
    kind: str = ""
    place: tuple[int, ...] = ()


def _bits(count: int) -> int:
    """Bits of a number below ``count``."""
    return (count - 1).bit_length()


class HostAccessModel:
    """Decodes word addresses: the region in the top 4 of 28 bits, below it what the region says.

    Parameters
    ----------
    p : int
        Banks of the feature buffer.
    program_depth, tap_depth, weight_depth, feature_depth : int
        Words.
    tap_segments, weight_segments, feature_segments : int
        32-bit segments of a word.
    boot : bool
        Whether there is a register BOOT.
    streaming : bool
        Whether there is an external memory, with registers.
    spilling : bool
        Whether it also holds maps.
    """

    def __init__(
        self, *, p: int, program_depth: int, tap_depth: int, weight_depth: int, feature_depth: int, tap_segments: int,
        weight_segments: int, feature_segments: int, boot: bool = False, streaming: bool = False, spilling: bool = False,
    ) -> None:  # fmt: skip
        self.p = p
        self.registers = {*range(_CLOCK + 1), *((_BOOT,) if boot else ())}
        self.registers |= {_EXTERNAL_WORDS, _EXTERNAL_STALLS} if streaming else set()
        self.registers |= {_EXTERNAL_WRITTEN} if spilling else set()
        self.streaming = streaming
        self.feature_depth, self.feature_segments = feature_depth, feature_segments
        self.memories = {
            _PROGRAM: ("program", program_depth, 1),
            _TAPS: ("tap", tap_depth, tap_segments),
            _WEIGHTS: ("weight", weight_depth, weight_segments),
        }

    def access(self, address: int, write: bool, busy: bool) -> Access:
        """The outcome while the engine is or is not ``busy``."""
        region, offset = address >> 24, address % (1 << 24)
        if region == _REGISTERS:
            if offset not in self.registers:
                return Access(ADDRESS)
            if write and offset not in (_CONTROL, _LIMIT, _SCRATCH):
                return Access(READ_ONLY)
            return Access(OK, "register", (offset,))
        if region in self.memories:
            kind, depth, segments = self.memories[region]
            word, segment = divmod(offset, 1 << _bits(segments))
            if not write:
                return Access(WRITE_ONLY)
            if word >= depth:
                return Access(ADDRESS)
            if busy:
                return Access(BUSY)
            return Access(OK, kind, (word, segment)) if segment < segments else Access(OK)
        if region == _EXTERNAL and self.streaming:
            if not write:
                return Access(WRITE_ONLY)
            return Access(BUSY) if busy else Access(OK, "external", (offset,))
        if region != _FEATURES:
            return Access(ADDRESS)
        rest, segment = divmod(offset, 1 << _bits(self.feature_segments))
        word, bank = divmod(rest, 1 << _bits(self.p))
        if word >= self.feature_depth:
            return Access(ADDRESS)
        if bank >= self.p or segment >= self.feature_segments:
            return Access(OK)
        if busy and not write:
            return Access(BUSY)
        return Access(OK, "feature", (word, bank, segment))
