"""What is true of one board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..hw.external.sdram_timing import SdramTiming
from ..hw.primitives.target import Family
from .clock.pll import PllSetting, solve_pll
from .device import Capacity, Device, find_device
from .flash_place import FlashPlace
from .serial_rate import serial_rate
from .spi_pins import SpiPins
from .vendor_device import VENDOR_PARTS

__all__ = ["Board", "Light"]

Light = tuple[str, int] | tuple[str, int, str]
"""A resource by name and number, or a subsignal of it."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board that Macaw builds for.

    Attributes
    ----------
    name : str
        As in ``--board``.
    title : str
        For people.
    part : str
        The device as its vendor calls it: a key of :data:`~macaw.boards.device.PARTS`.
    platform : callable
        Makes a fresh Amaranth platform; a platform is good for one build.
    clock_resource : tuple of str and int
        The oscillator's resource on the platform.
    input_hz : int
        The oscillator's frequency.
    default_clock_hz : int
        Clock of the engine unless the user asks for another.
    bauds : tuple of int
        Rates that the board's serial bridge makes exactly, best first.
    uart_resource : tuple of str and int
        Resource with the subsignals ``rx`` and ``tx`` as the FPGA sees them.
    leds : tuple of 3 lights or None
        Where alive, busy and error are shown. The resources know which level lights them.
    link : str
        Where the host's serial line goes, and what a user has to connect or solder.
    program : str
        Command that puts a bitstream, whose path follows, into the FPGA.
    tie_high : tuple of (resource, number, subsignal)
        Outputs that must be high for the board to work.
    keep_inactive : tuple of (resource, number)
        Outputs that must stay inactive for the board to work: high where the resource says that low is active.
    pll_on_pad : bool
        iCE40: whether the oscillator is at a pad that feeds a PLL directly.
    bootloader : str
        What to do with the board so that ``program`` finds it, each time; empty if nothing.
    vendor : str
        The vendor's tool that builds for it, "Vivado" or "Quartus", where open tools do not; else empty.
    spi : SpiPins or None
        Where an SPI master can be connected.
    sdram : SdramTiming or None
        The memory at the resource ``sdram`` 0, from which weights can be streamed.
    flash : FlashPlace or None
        Where an image can lie for an engine that is loaded at power-up.
    """

    name: str
    title: str
    part: str
    platform: Callable[[], Any]
    clock_resource: tuple[str, int]
    input_hz: int
    default_clock_hz: int
    bauds: tuple[int, ...]
    uart_resource: tuple[str, int]
    leds: tuple[Light | None, Light | None, Light | None]
    link: str
    program: str
    tie_high: tuple[tuple[str, int, str], ...] = ()
    keep_inactive: tuple[tuple[str, int], ...] = ()
    pll_on_pad: bool = False
    bootloader: str = ""
    vendor: str = ""
    spi: SpiPins | None = None
    flash: FlashPlace | None = None
    sdram: SdramTiming | None = None

    @property
    def device(self) -> Device:
        """The FPGA."""
        return VENDOR_PARTS[self.part] if self.vendor else find_device(self.part)

    @property
    def family(self) -> Family:
        """The FPGA's."""
        return self.device.family

    @property
    def capacity(self) -> Capacity:
        """The FPGA's."""
        return self.device.capacity

    @property
    def nextpnr_arguments(self) -> tuple[str, ...]:
        """The FPGA's."""
        return self.device.nextpnr_arguments

    @property
    def multiplier_latency(self) -> int:
        """Of an engine on this FPGA."""
        return self.device.multiplier_latency

    @property
    def requantizer_digit(self) -> int:
        """Of an engine on this FPGA."""
        return self.device.requantizer_digit

    @property
    def weight_memory(self) -> str:
        """Of an engine on this FPGA."""
        return self.device.weight_memory

    def pll_setting(self, wanted_hz: int) -> PllSetting | None:
        """The PLL's setting for the frequency nearest to ``wanted_hz`` at or below it; None if the oscillator has it.

        Raises UserError if the frequency is out of the PLL's reach.
        """
        if wanted_hz == self.input_hz:
            return None
        return solve_pll(self.family, self.part, self.input_hz, wanted_hz)

    def clock_hz(self, wanted_hz: int | None = None) -> int:
        """The clock that the board really makes for ``wanted_hz`` (default: the board's own), rounded to 1 Hz.

        Raises UserError if the frequency is out of the PLL's reach.
        """
        wanted_hz = self.default_clock_hz if wanted_hz is None else wanted_hz
        setting = self.pll_setting(wanted_hz)
        return self.input_hz if setting is None else round(setting.output_hz)

    def baud(self, clock_hz: int, wanted: int | None = None) -> int:
        """The serial rate with a clock (:func:`~macaw.boards.serial_rate.serial_rate`)."""
        return serial_rate(self.bauds, clock_hz, self.title, wanted)[0]

    def divisor(self, clock_hz: int, wanted: int | None = None) -> int:
        """Clock cycles a bit of the serial line at :meth:`baud`."""
        return serial_rate(self.bauds, clock_hz, self.title, wanted)[1]
