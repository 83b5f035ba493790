"""The SDRAM of the simulations: what `sim/harness/sdram_model.v` is given, its rules by name, and a memory on a controller."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, flipped

from ..hw.external.memory_port import MemoryPort
from ..hw.external.sdram_controller import SdramController, SdramPins
from ..hw.external.sdram_timing import SdramTiming

__all__ = ["SdramModel", "SdramSystem", "sdram_model_verilog", "sdram_rules"]


def sdram_model_verilog() -> str:
    """Text of the module ``sdram_model``."""
    return resources.files("macaw.sim.harness").joinpath("sdram_model.v").read_text()


def sdram_rules() -> dict[str, int]:
    """The number of each rule that the model checks, as its output ``violation`` shows it."""
    return {name: int(number) for name, number in re.findall(r"RULE_(\w+) = (\d+);", sdram_model_verilog())}


class SdramModel(wiring.Component):
    """The memory as a component; needs :func:`sdram_model_verilog` in its Verilog.

    Parameters
    ----------
    timing : SdramTiming
    clock_hz : int
    pin_delay : int
        As of the controller.
    strict : bool
        Whether the simulation ends where a rule is broken.

    Members
    -------
    pins : In(SdramPins())
    violation : Out(8), violations : Out(32)
        Number of the latest rule broken, and how many were.
    """

    pins: Any
    violation: Signal
    violations: Signal

    def __init__(self, timing: SdramTiming, clock_hz: int, *, pin_delay: int = 0, strict: bool = True) -> None:
        self.parameters = {
            "ROW_BITS": timing.row_bits,
            "COLUMN_BITS": timing.column_bits,
            "BANK_BITS": timing.bank_bits,
            "PERIOD": round(1e12 / clock_hz),
            "CAS_2_PERIOD": round(1e12 / timing.cas_2_hz),
            **{
                name: round(1000 * value)
                for name, value in (
                    ("T_RCD", timing.t_rcd), ("T_RP", timing.t_rp), ("T_RAS", timing.t_ras), ("T_RC", timing.t_rc),
                    ("T_RFC", timing.t_rfc), ("T_WR", timing.t_wr), ("T_REFI", timing.t_refi),
                    ("T_POWER_UP", timing.t_power_up),
                )
            },
            "T_MRD": timing.t_mrd,
            "POSTPONED": timing.postponed,
            "PIN_DELAY": pin_delay,
            "STRICT": int(strict),
        }  # fmt: skip
        super().__init__({"pins": In(SdramPins()), "violation": Out(8), "violations": Out(32)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pins = self.pins
        names = ("cke", "cs_n", "ras_n", "cas_n", "we_n", "ba", "a", "dqm")
        m.submodules.model = Instance(
            "sdram_model",
            **{f"p_{name}": value for name, value in self.parameters.items()},
            i_clk=ClockSignal(),
            **{f"i_{name}": getattr(pins, name) for name in names},
            i_dq_in=pins.dq_o,
            i_dq_drive=pins.dq_oe,
            o_dq_out=pins.dq_i,
            o_violation=self.violation,
            o_violations=self.violations,
        )
        return m


class SdramSystem(wiring.Component):
    """Controller and memory.

    Members
    -------
    port : In(MemoryPort())
    violation : Out(8)
    """

    port: Any
    violation: Signal

    def __init__(self, timing: SdramTiming, clock_hz: int, *, pin_delay: int = 0, strict: bool = False) -> None:
        self.controller = SdramController(timing.cycles(clock_hz), pin_delay=pin_delay)
        self.model = SdramModel(timing, clock_hz, pin_delay=pin_delay, strict=strict)
        super().__init__({"port": In(MemoryPort()), "violation": Out(8)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.controller = self.controller
        m.submodules.model = self.model
        wiring.connect(m, flipped(self.port), self.controller.port)
        wiring.connect(m, self.controller.pins, self.model.pins)
        m.d.comb += self.violation.eq(self.model.violation)
        return m
