"""Geometry and timing of single-data-rate SDRAM, from the data sheets, in nanoseconds and in cycles of a clock."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

from ..errors import UserError

__all__ = ["MT48LC16M16", "SdramCycles", "SdramTiming"]


@dataclass(frozen=True, kw_only=True)
class SdramCycles:
    """A memory at one clock; times in cycles. The names are those of :class:`SdramTiming`.

    ``cas``: latency of a read. ``interval``: cycles between two refreshes. ``power_up``: refresh intervals that make up the
    pause after power-up.
    """

    row_bits: int
    column_bits: int
    bank_bits: int
    cas: int
    t_rcd: int
    t_rp: int
    t_ras: int
    t_rc: int
    t_rfc: int
    t_wr: int
    t_mrd: int
    interval: int
    power_up: int

    @property
    def row_words(self) -> int:
        """32-bit words of a row in one bank."""
        return 1 << self.column_bits - 1

    @property
    def words(self) -> int:
        """32-bit words in all."""
        return self.row_words << self.bank_bits + self.row_bits

    @property
    def settle(self) -> int:
        """Cycles from a restart until, whatever the memory was doing, every row is closed and no refresh is owed: the end of a
        write, closing the row, the refresh under way, the one that was due and that of the restart itself."""
        return 8 + max(self.t_ras, self.t_wr + 2) + self.t_rp + 3 * self.t_rfc


@dataclass(frozen=True, kw_only=True)
class SdramTiming:
    """A memory chip of 16 bits; times in ns, the least that must pass unless said otherwise.

    ``row_bits``, ``column_bits``, ``bank_bits``: bits of the addresses. ``t_rcd``: row opened to read or write. ``t_rp``: row
    closed to opened. ``t_ras``: row opened to closed. ``t_rc``: row opened to the next one of the bank. ``t_rfc``: a refresh.
    ``t_wr``: last data written to row closed. ``t_mrd``: cycles (not ns) behind setting the mode. ``t_refi``: the most between
    two refreshes on average; ``postponed``: refreshes that may be late. ``t_power_up``: the first command. ``cas_2_hz``: the
    highest clock with a latency of 2 instead of 3; ``most_hz``: with 3. ``t_ac``, ``t_oh``: from the clock's edge
    until read data is valid, and while it still is.
    """

    name: str
    row_bits: int
    column_bits: int
    bank_bits: int
    t_rcd: float
    t_rp: float
    t_ras: float
    t_rc: float
    t_rfc: float
    t_wr: float
    t_mrd: int
    t_refi: float
    postponed: int
    t_power_up: float
    cas_2_hz: int
    most_hz: int
    t_ac: float
    t_oh: float

    def cycles(self, clock_hz: int) -> SdramCycles:
        """The times in cycles of ``clock_hz``: rounded up, the refresh interval down.

        Raises UserError for a clock that is faster than the memory's, or too slow to refresh it.
        """
        if not 5_000_000 <= clock_hz <= self.most_hz:
            raise UserError(
                f"The SDRAM {self.name} runs at 5 to {self.most_hz / 1e6:g} MHz, not at {clock_hz / 1e6:g} MHz: choose another "
                "--clock."
            )

        def up(nanoseconds: float, least: int = 1) -> int:
            return max(least, ceil(round(nanoseconds * clock_hz / 1e9, 6)))

        interval = floor(self.t_refi * clock_hz / 1e9)
        return SdramCycles(
            row_bits=self.row_bits,
            column_bits=self.column_bits,
            bank_bits=self.bank_bits,
            cas=2 if clock_hz <= self.cas_2_hz else 3,
            # The controller looks at a row's state in the cycle after it has changed.
            t_rcd=up(self.t_rcd, 2),
            t_rp=up(self.t_rp, 2),
            t_ras=up(self.t_ras),
            t_rc=up(self.t_rc),
            t_rfc=up(self.t_rfc, 2),
            t_wr=up(self.t_wr),
            t_mrd=max(self.t_mrd, 2),
            interval=interval,
            power_up=ceil(self.t_power_up * clock_hz / 1e9 / interval) + 1,
        )


MT48LC16M16 = SdramTiming(
    name="16M x 16",
    row_bits=13,
    column_bits=9,
    bank_bits=2,
    t_rcd=21,
    t_rp=21,
    t_ras=44,
    t_rc=66,
    t_rfc=66,
    t_wr=15,
    t_mrd=2,
    t_refi=7812.5,
    postponed=8,
    t_power_up=200_000,
    cas_2_hz=100_000_000,
    most_hz=133_000_000,
    t_ac=6.0,
    t_oh=2.7,
)
"""256 Mbit of the speed grades -7 and -75: of Micron MT48LC16M16A2, ISSI IS42S16160G, Alliance AS4C16M16SA and, half of it,
AS4C32M16SB the slowest value of each time. 32 MiB."""
