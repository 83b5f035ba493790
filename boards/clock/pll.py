"""The PLL of each family."""

from __future__ import annotations

from ...hw.primitives.target import Family
from .ecp5_pll import Ecp5Pll, Ecp5PllSetting, solve_ecp5_pll
from .gowin_pll import GowinPll, GowinPllSetting, solve_gowin_pll
from .ice40_pll import Ice40CorePll, Ice40PllSetting, solve_ice40_pll
from .intel_pll import IntelPll, IntelPllSetting, solve_intel_pll
from .xilinx_pll import XilinxPll, XilinxPllSetting, solve_xilinx_pll

__all__ = ["Pll", "PllSetting", "make_pll", "solve_pll"]

Pll = Ecp5Pll | GowinPll | Ice40CorePll | IntelPll | XilinxPll
PllSetting = Ecp5PllSetting | GowinPllSetting | Ice40PllSetting | IntelPllSetting | XilinxPllSetting


def solve_pll(family: Family, part: str, input_hz: int, wanted_hz: int) -> PllSetting:
    """The setting for the frequency nearest to ``wanted_hz`` at or below it. Raises UserError if it is out of reach."""
    if family is Family.GOWIN:
        return solve_gowin_pll(part, input_hz, wanted_hz)
    if family is Family.ECP5:
        return solve_ecp5_pll(input_hz, wanted_hz)
    if family is Family.XILINX:
        return solve_xilinx_pll(input_hz, wanted_hz)
    if family is Family.INTEL:
        return solve_intel_pll(input_hz, wanted_hz)
    return solve_ice40_pll(input_hz, wanted_hz)


def make_pll(setting: PllSetting) -> Pll:
    """The component of a setting, with a reference from any pin."""
    if isinstance(setting, Ecp5PllSetting):
        return Ecp5Pll(setting)
    if isinstance(setting, GowinPllSetting):
        return GowinPll(setting)
    if isinstance(setting, XilinxPllSetting):
        return XilinxPll(setting)
    if isinstance(setting, IntelPllSetting):
        return IntelPll(setting)
    return Ice40CorePll(setting)
