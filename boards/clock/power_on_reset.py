"""The reset after power-up and after a loss of the clock."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from ...hw.errors import UserError

__all__ = ["PowerOnReset"]


class PowerOnReset(wiring.Component):
    """Holds ``reset`` until the PLL has been locked for ``cycles`` cycles of its clock.

    An iCE40 reads its block RAMs as zeros for some 3 us after configuration, so the wait must be longer than that.

    Parameters
    ----------
    cycles : int, 1..2**24

    Members
    -------
    clock : In(1)
        The clock of the domain that is reset.
    locked : In(1)
        Asynchronous.
    reset : Out(1)
        From a register on ``clock``; high from configuration on.

    Raises UserError for a number of cycles out of range.
    """

    clock: Signal
    locked: Signal
    reset: Signal

    def __init__(self, cycles: int) -> None:
        if not 1 <= cycles <= 1 << 24:
            raise UserError(f"A power-on reset lasts from 1 to 2**24 cycles, not {cycles}.")
        self.cycles = cycles
        super().__init__({"clock": In(1), "locked": In(1), "reset": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Registers of an iCE40 start at 0 whatever the design says: count up, and invert at the end.
        m.domains.power_on = ClockDomain("power_on", reset_less=True, local=True)
        m.d.comb += ClockSignal("power_on").eq(self.clock)
        locked = Signal()
        m.submodules.synchronizer = FFSynchronizer(self.locked, locked, o_domain="power_on")
        timer = Signal(range(self.cycles + 1))
        done = Signal()
        with m.If(~locked):
            m.d.power_on += [timer.eq(0), done.eq(0)]
        with m.Elif(timer == self.cycles):
            m.d.power_on += done.eq(1)
        with m.Else():
            m.d.power_on += timer.eq(timer + 1)
        # One register drives the whole reset net: an inverter behind it would take half the clock's time.
        reset = Signal(init=1)
        m.d.power_on += reset.eq(~done)
        m.d.comb += self.reset.eq(reset)
        return m
