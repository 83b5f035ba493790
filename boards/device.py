"""FPGAs by their part numbers: what each holds, how nextpnr calls it, and what follows for an engine on it."""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass

from ..hw.errors import UserError
from ..hw.primitives.target import Family
from .gowin_parts import gowin_parts
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
    "12F": ("TG144", "BG256", "MG285", "BG381"), "25F": ("TG144", "BG256", "MG285", "BG381"),
    "45F": ("TG144", "BG256", "MG285", "BG381", "BG554"), "85F": ("MG285", "BG381", "BG554", "BG756"),
}  # fmt: skip
_ECP5_NEXTPNR = {"BG": "CABGA", "MG": "CSFBGA", "TG": "TQFP"}

_ICE40 = {
    "iCE40LP384": _ice40(384, 0), "iCE40LP1K": _ice40(1280, 16), "iCE40HX1K": _ice40(1280, 16),
    "iCE40LP4K": _ice40(3520, 20), "iCE40HX4K": _ice40(3520, 20), "iCE40LP8K": _ice40(7680, 32), "iCE40HX8K": _ice40(7680, 32),
    "iCE40UP3K": _ice40(2800, 20, 4, 4), "iCE40UP5K": _ice40(5280, 30, 8, 4),
    "iCE5LP1K": _ice40(1100, 16, 2), "iCE5LP2K": _ice40(2048, 20, 4), "iCE5LP4K": _ice40(3520, 20, 4),
}  # fmt: skip
_ICE40_PACKAGES = {
    "iCE40LP384": ("CM36", "CM49", "QN32"),
    "iCE40LP1K": ("CB81", "CB121", "CM36", "CM49", "CM81", "CM121", "QN84", "SWG16TR"), "iCE40HX1K": ("CB132", "TQ144", "VQ100"),
    "iCE40LP4K": ("CM81", "CM121", "CM225"), "iCE40HX4K": ("BG121", "CB132", "TQ144"),
    "iCE40LP8K": ("CM81", "CM121", "CM225"), "iCE40HX8K": ("BG121", "CB132", "CM225", "CT256"),
    "iCE40UP3K": ("SG48", "UWG30"), "iCE40UP5K": ("SG48", "UWG30"),
    "iCE5LP1K": ("SG48",), "iCE5LP2K": ("SG48",), "iCE5LP4K": ("SG48",),
}  # fmt: skip
_ICE40_CLOCK_HZ = {"iCE40HX": 60_000_000, "iCE40LP": 42_000_000, "iCE40UP": 24_000_000, "iCE5LP": 24_000_000}
_ECP5_CLOCK_HZ = {"6": 75_000_000, "7": 75_000_000, "8": 96_000_000}


def _gowin(luts: int, block_rams: int, multipliers: int, *, registers: int | None = None) -> Capacity:
    return Capacity(
        luts=luts, registers=3 * luts // 4 if registers is None else registers, block_rams=block_rams, block_ram_bits=18432,
        multipliers=multipliers,
    )  # fmt: skip


# Yosys makes no multiplier cells of a 5 series: its products are of look-up tables.
_GOWIN = {
    "GW1N-1": _gowin(1152, 4, 0), "GW1NZ-1": _gowin(1152, 4, 0), "GW1N-4": _gowin(4608, 10, 32), "GW1NS-4": _gowin(4608, 10, 32),
    "GW1N-9": _gowin(8640, 26, 40), "GW1N-9C": _gowin(8640, 26, 40), "GW2A-18": _gowin(20736, 46, 96),
    "GW2A-18C": _gowin(20736, 46, 96), "GW5A-25A": _gowin(23040, 56, 0, registers=23040),
}  # fmt: skip
_GOWIN_CLOCK_HZ = {"GW1": 36_000_000, "GW2": 54_000_000, "GW5": 54_000_000}

_NEXUS = {
    "LIFCL-17": Capacity(luts=13824, registers=13824, block_rams=24, block_ram_bits=18432, multipliers=24),
    "LIFCL-40": Capacity(luts=32256, registers=32256, block_rams=84, block_ram_bits=18432, multipliers=56),
    "LFD2NX-40": Capacity(luts=32256, registers=32256, block_rams=84, block_ram_bits=18432, multipliers=56),
}
_NEXUS_PACKAGES = {
    "LIFCL-17": ("SG72", "UWG72", "MG121", "BG256"), "LIFCL-40": ("SG72", "MG121", "BG256", "MG289", "BG400"),
    "LFD2NX-40": ("MG121", "BG196", "BG256"),
}  # fmt: skip


def _ice40_nextpnr(model: str) -> str:
    return model.removeprefix("iCE40").lower() if model.startswith("iCE40") else f"u{model.removeprefix('iCE5LP').lower()}"


def _gowin_series() -> list[str]:
    return sorted({part.split("-")[0] for part in gowin_parts()})


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
                    multiplier_latency=3, requantizer_digit=0, weight_memory="block", default_clock_hz=_ECP5_CLOCK_HZ[speed],
                )
                for package in _ECP5_PACKAGES[size] for speed in _ECP5_SPEEDS[series] for grade in "CI"
            ]  # fmt: skip
    for model, capacity in _ICE40.items():
        devices += [
            Device(
                part=f"{model}-{package}", family=Family.ICE40UP if capacity.multipliers else Family.ICE40,
                capacity=capacity, nextpnr_arguments=(f"--{_ice40_nextpnr(model)}", "--package", package.lower()),
                multiplier_latency=2, requantizer_digit=4,
                weight_memory="spram" if capacity.single_port_rams else "block",
                default_clock_hz=_ICE40_CLOCK_HZ[model.rstrip("K0123456789")],
            )
            for package in _ICE40_PACKAGES[model]
        ]  # fmt: skip
    devices += [
        Device(
            part=part, family=Family.GOWIN, capacity=_GOWIN[row.chip],
            nextpnr_arguments=("--device", part, "--vopt", f"family={row.chip}"),
            multiplier_latency=2, requantizer_digit=4, weight_memory="block", default_clock_hz=_GOWIN_CLOCK_HZ[row.chip[:3]],
        )
        for part, row in gowin_parts().items()
    ]  # fmt: skip
    devices += [
        Device(
            part=f"{chip}-{speed}{package}{grade}", family=Family.NEXUS, capacity=_NEXUS[chip],
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
    raise UserError(
        f"There is no part {part[:40]!r} that the open tools place and route.{guess} Known are LFE5U, LFE5UM and LFE5UM5G with "
        f"size, speed, package and grade, as LFE5U-45F-6BG381C; {', '.join(_ICE40)} with package, as iCE40UP5K-SG48; "
        f"{', '.join(_NEXUS)}, as LIFCL-40-9BG400C; {', '.join(_gowin_series())}, as GW1NR-LV9QN88PC6/I5. `macaw parts` lists them."
    )
