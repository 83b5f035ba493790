"""FPGAs by their part numbers: what each holds, how nextpnr calls it, and what follows for an engine on it."""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass

from ..hw.errors import UserError
from ..hw.primitives.target import Family
from .serial_rate import FT2232H_BAUDS, serial_rate

__all__ = ["PARTS", "Capacity", "Device", "find_device"]

_CLOCK_HZ = (1_000_000, 400_000_000)


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a device holds, by its vendor's data sheet.

    Attributes
    ----------
    luts : int
        4-input look-up tables; logic cells of an iCE40.
    registers : int
    block_rams : int
        Blocks.
    block_ram_bits : int
        Bits of one block, parity bits included.
    multipliers : int
        18 x 18 multipliers of an ECP5 or Nexus, 16 x 16 of an iCE40, 9 x 9 of a Gowin.
    single_port_rams : int
        Blocks of 16 Ki x 16 bits.
    """

    luts: int
    registers: int
    block_rams: int
    block_ram_bits: int
    multipliers: int
    single_port_rams: int = 0

    @property
    def memory_bytes(self) -> int:
        """All block RAM and single-port RAM."""
        return self.block_rams * self.block_ram_bits // 8 + 32768 * self.single_port_rams


@dataclass(frozen=True, kw_only=True)
class Device:
    """An FPGA without a board: what place and route, budget and report need of a :class:`~macaw.boards.board.Board`, too.

    Attributes
    ----------
    part : str
        As its vendor calls it; also the device's ``name`` and ``title``.
    family : Family
    capacity : Capacity
    nextpnr_arguments : tuple of str
        Device, package and speed for nextpnr.
    multiplier_latency, requantizer_digit, weight_memory
        Parameters of an EngineConfig that follow from the device.
    default_clock_hz : int
        What out-of-context place and route aims at unless the user asks for another.
    """

    part: str
    family: Family
    capacity: Capacity
    nextpnr_arguments: tuple[str, ...]
    multiplier_latency: int
    requantizer_digit: int
    weight_memory: str
    default_clock_hz: int

    @property
    def name(self) -> str:
        """As in ``--device``."""
        return self.part

    @property
    def title(self) -> str:
        """For people."""
        return self.part

    def clock_hz(self, wanted_hz: int | None = None) -> int:
        """``wanted_hz``, or the default. Raises UserError if it is not within 1 to 400 MHz."""
        clock_hz = self.default_clock_hz if wanted_hz is None else wanted_hz
        if not _CLOCK_HZ[0] <= clock_hz <= _CLOCK_HZ[1]:
            raise UserError(f"A clock must be from 1 to 400 MHz, not {clock_hz / 1e6:g} MHz; choose another --clock.")
        return clock_hz

    def baud(self, clock_hz: int, wanted: int | None = None) -> int:
        """Serial rate of the simulated board: there are no pins."""
        return serial_rate(FT2232H_BAUDS, clock_hz, self.title, wanted)[0]

    def divisor(self, clock_hz: int, wanted: int | None = None) -> int:
        """Clock cycles a bit of the serial line at :meth:`baud`."""
        return serial_rate(FT2232H_BAUDS, clock_hz, self.title, wanted)[1]


def _ecp5(luts: int, block_rams: int, multipliers: int) -> Capacity:
    return Capacity(
        luts=luts, registers=luts, block_rams=block_rams, block_ram_bits=18432, multipliers=multipliers
    )  # fmt: skip


def _ice40(cells: int, block_rams: int, multipliers: int = 0, single_port_rams: int = 0) -> Capacity:
    return Capacity(
        luts=cells, registers=cells, block_rams=block_rams, block_ram_bits=4096, multipliers=multipliers,
        single_port_rams=single_port_rams,
    )  # fmt: skip


# The 12F is a 25F of which the vendor promises half; the open tools would let the other half be used.
_ECP5 = {
    "12F": _ecp5(12000, 32, 28), "25F": _ecp5(24288, 56, 28), "45F": _ecp5(43848, 108, 72),
    "85F": _ecp5(83640, 208, 156),
}  # fmt: skip
_ECP5_SIZES = {"LFE5U": ("12F", "25F", "45F", "85F"), "LFE5UM": ("25F", "45F", "85F"), "LFE5UM5G": ("25F", "45F", "85F")}
_ECP5_OPTIONS = {"LFE5U": "", "LFE5UM": "um-", "LFE5UM5G": "um5g-"}
_ECP5_SPEEDS = {"LFE5U": "678", "LFE5UM": "678", "LFE5UM5G": "8"}
_ECP5_PACKAGES = {
    "12F": ("BG256", "MG285", "BG381"), "25F": ("BG256", "MG285", "BG381"), "45F": ("BG256", "MG285", "BG381", "BG554"),
    "85F": ("MG285", "BG381", "BG554", "BG756"),
}  # fmt: skip
_ECP5_NEXTPNR = {"BG": "CABGA", "MG": "CSFBGA"}

_ICE40 = {
    "HX1K": _ice40(1280, 16), "LP1K": _ice40(1280, 16), "HX4K": _ice40(3520, 20), "LP4K": _ice40(3520, 20),
    "HX8K": _ice40(7680, 32), "LP8K": _ice40(7680, 32), "UP5K": _ice40(5280, 30, 8, 4),
}  # fmt: skip
_ICE40_PACKAGES = {
    "HX1K": ("CB132", "TQ144", "VQ100"), "LP1K": ("CB81", "CB121", "CM36", "CM49", "CM81", "CM121", "QN84"),
    "HX4K": ("BG121", "CB132", "TQ144"), "LP4K": ("CM81", "CM121", "CM225"),
    "HX8K": ("BG121", "CB132", "CM225", "CT256"), "LP8K": ("CM81", "CM121", "CM225"), "UP5K": ("SG48", "UWG30"),
}  # fmt: skip
_ICE40_CLOCK_HZ = {"HX": 36_000_000, "LP": 24_000_000, "UP": 20_250_000}

_GOWIN = {
    "GW1N-9C": Capacity(luts=8640, registers=6480, block_rams=26, block_ram_bits=18432, multipliers=40),
    "GW2A-18C": Capacity(luts=20736, registers=15552, block_rams=46, block_ram_bits=18432, multipliers=96),
}
_GOWIN_PARTS = {
    "GW1NR-LV9QN88PC6/I5": "GW1N-9C", "GW2A-LV18PG256C8/I7": "GW2A-18C", "GW2AR-LV18QN88C8/I7": "GW2A-18C",
}  # fmt: skip
_GOWIN_CLOCK_HZ = {"GW1N-9C": 36_000_000, "GW2A-18C": 54_000_000}

_NEXUS = Capacity(luts=32256, registers=32256, block_rams=84, block_ram_bits=18432, multipliers=56)
_NEXUS_PACKAGES = {"LIFCL-40": ("BG256", "MG289", "BG400"), "LFD2NX-40": ("BG196", "BG256")}


def _parts() -> dict[str, Device]:
    devices: list[Device] = []
    for series, sizes in _ECP5_SIZES.items():
        for size in sizes:
            option = f"--{_ECP5_OPTIONS[series]}{size[:-1]}k"
            devices += [
                Device(
                    part=f"{series}-{size}-{speed}{package}{grade}", family=Family.ECP5, capacity=_ECP5[size],
                    nextpnr_arguments=(
                        option, "--package", f"{_ECP5_NEXTPNR[package[:2]]}{package[2:]}", "--speed", speed,
                    ),
                    multiplier_latency=3, requantizer_digit=0, weight_memory="block", default_clock_hz=75_000_000,
                )
                for package in _ECP5_PACKAGES[size] for speed in _ECP5_SPEEDS[series] for grade in "CI"
            ]  # fmt: skip
    for model, capacity in _ICE40.items():
        devices += [
            Device(
                part=f"iCE40{model}-{package}", family=Family.ICE40UP if capacity.multipliers else Family.ICE40,
                capacity=capacity, nextpnr_arguments=(f"--{model.lower()}", "--package", package.lower()),
                multiplier_latency=2, requantizer_digit=4,
                weight_memory="spram" if capacity.single_port_rams else "block",
                default_clock_hz=_ICE40_CLOCK_HZ[model[:2]],
            )
            for package in _ICE40_PACKAGES[model]
        ]  # fmt: skip
    devices += [
        Device(
            part=part, family=Family.GOWIN, capacity=_GOWIN[chip],
            nextpnr_arguments=("--device", part, "--vopt", f"family={chip}"),
            multiplier_latency=2, requantizer_digit=4, weight_memory="block", default_clock_hz=_GOWIN_CLOCK_HZ[chip],
        )
        for part, chip in _GOWIN_PARTS.items()
    ]  # fmt: skip
    devices += [
        Device(
            part=f"{chip}-{speed}{package}{grade}", family=Family.NEXUS, capacity=_NEXUS,
            nextpnr_arguments=("--device", f"{chip}-{speed}{package}{grade}"),
            multiplier_latency=3, requantizer_digit=4, weight_memory="block", default_clock_hz=75_000_000,
        )
        for chip, packages in _NEXUS_PACKAGES.items() for package in packages for speed in "789" for grade in "CI"
    ]  # fmt: skip
    return {device.part: device for device in devices}


PARTS: dict[str, Device] = _parts()
"""Every part by its number."""


@functools.cache
def _by_capitals() -> dict[str, Device]:
    return {part.upper(): device for part, device in PARTS.items()}


def find_device(part: str) -> Device:
    """The device with the number ``part``; case does not matter. Raises UserError with the parts there are."""
    device = _by_capitals().get(part.upper())
    if device is not None:
        return device
    close = difflib.get_close_matches(part.upper(), _by_capitals(), n=1, cutoff=0.6)
    guess = f" Did you mean {_by_capitals()[close[0]].part!r}?" if close else ""
    examples = ", ".join(f"iCE40{model}-{packages[-1]}" for model, packages in _ICE40_PACKAGES.items())
    raise UserError(
        f"There is no part {part[:40]!r} that the open tools place and route.{guess} Known are LFE5U-12F, -25F, -45F, -85F, "
        f"LFE5UM and LFE5UM5G with speed, package and grade, as in LFE5U-45F-6BG381C; iCE40 with package, as in {examples}; "
        f"LIFCL-40 and LFD2NX-40, as in LIFCL-40-9BG400C; and {', '.join(_GOWIN_PARTS)}."
    )
