"""Pins of an SDRAM on an ECP5: registers at the pins, the memory's clock, and when its data is sampled."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In

from ..hw.external.sdram_controller import SdramPins

__all__ = ["Ecp5SdramPins"]


class Ecp5SdramPins(wiring.Component):
    """Commands, addresses and data leave from output registers; the memory's clock is the inverse of ``sync``, so it samples in
    the middle of a cycle. Read data is sampled at the falling edge of ``sync``, that is, a memory clock's half period before
    its next edge, and passed on at the rising edge.

    With T the period and d the delays of pads and board (4 to 5 ns together), the data of a read is valid at the FPGA from
    ``(cas - 1/2) T + t_ac + d`` to ``(cas + 1/2) T + t_oh + d`` behind the edge at which the command left, and sampled at
    ``(cas + 1/2) T``: at 75 MHz and a latency of 2, some 3 ns after the first and 7 ns before the last. These are figures of the
    data sheets, not measured on a board.

    Parameters
    ----------
    resource : PortGroup
        ``platform.request("sdram", 0, dir="-")`` of an SDRAMResource of amaranth-boards with 16 bits.

    Members
    -------
    pins : In(SdramPins())

    **Timing.** Registers at the pins take two cycles, one on either way.
    """

    pins: Any

    def __init__(self, resource: Any) -> None:
        self.resource = resource
        super().__init__({"pins": In(SdramPins())})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pins, resource = self.pins, self.resource

        def register(value: Signal, name: str) -> Signal:
            """In the output cell of each pin."""
            output = Signal(len(value), name=f"{name}_output")
            for bit in range(len(value)):
                m.submodules[f"{name}_{bit}"] = Instance(
                    "OFS1P3DX", i_SCLK=ClockSignal(), i_SP=Const(1), i_CD=Const(0), i_D=value[bit], o_Q=output[bit],
                )  # fmt: skip
            return output

        m.submodules.clock = clock = io.DDRBuffer("o", resource.clk)
        m.d.comb += [clock.o[0].eq(0), clock.o[1].eq(1)]
        # The resource's pins are named after what they do when they are active; those of the memory are active low.
        for name, value in (
            ("clk_en", pins.cke), ("cs", ~pins.cs_n), ("ras", ~pins.ras_n), ("cas", ~pins.cas_n), ("we", ~pins.we_n),
            ("ba", pins.ba), ("a", pins.a), ("dqm", pins.dqm),
        ):  # fmt: skip
            m.submodules[f"{name}_pins"] = buffer = io.FFBuffer("o", getattr(resource, name))
            m.d.comb += buffer.o.eq(value)
        m.submodules.dq = dq = io.Buffer("io", resource.dq)
        drive = Signal()
        m.d.sync += drive.eq(pins.dq_oe)
        m.d.comb += [dq.o.eq(register(pins.dq_o, "dq")), dq.oe.eq(drive)]
        for bit in range(16):
            m.submodules[f"sample_{bit}"] = Instance(
                "IDDRX1F", i_SCLK=ClockSignal(), i_RST=Const(0), i_D=dq.i[bit], o_Q0=Signal(name=f"rising_{bit}"),
                o_Q1=pins.dq_i[bit],
            )  # fmt: skip
        return m
