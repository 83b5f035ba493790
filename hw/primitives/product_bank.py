"""A bank of signed 8 x 8 multipliers in the device's multiplier cells or in logic."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..errors import UserError
from .logic_product import logic_product
from .mult18x18d import mult18x18d
from .sb_mac16 import sb_mac16_pair
from .target import Family, family_of

__all__ = ["ProductBank"]


class ProductBank(wiring.Component):
    """``count`` products ``product[i] = a[i] * b[i]`` of signed bytes, each cycle.

    Parameters
    ----------
    count : int, 1..4096
        Products.
    latency : int, 2..3
        2: input register, output register. 3: one more register, which bridges the way from a multiplier cell to the
        logic.
    style : "dsp" or "logic"
        ``dsp``: a MULT18X18D for each product on an ECP5, an SB_MAC16 for each two on an iCE40 UltraPlus, ``*``
        elsewhere. ``logic``: adders of partial products that no synthesis turns into multiplier cells; the registers
        stand between the adders instead of in front of them.

    Members
    -------
    a, b : In(signed(8)).array(count)
    product : Out(signed(16)).array(count)

    **Timing.** ``latency`` cycles, one set of products a cycle, no stall.

    **Reset.** Registers start at 0 and are not reset.

    Raises
    ------
    UserError
        A parameter out of range.
    """

    a: Any
    b: Any
    product: Any

    def __init__(self, count: int, latency: int = 2, style: str = "dsp") -> None:
        if not 1 <= count <= 4096:
            raise UserError(f"A product bank has from 1 to 4096 products, not {count}.")
        if latency not in (2, 3):
            raise UserError(f"A product bank's latency must be 2 or 3 cycles, not {latency}.")
        if style not in ("dsp", "logic"):
            raise UserError(f"A product bank's style must be 'dsp' or 'logic', not {style!r}.")
        self.count = count
        self.latency = latency
        self.style = style
        super().__init__(
            {
                "a": In(signed(8)).array(count),
                "b": In(signed(8)).array(count),
                "product": Out(signed(16)).array(count),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        family = family_of(platform)
        if self.style == "logic":
            return self._logic(carry_cells=family is Family.ECP5)
        if family is Family.ECP5:
            return self._ecp5()
        if family is Family.ICE40UP:
            return self._ice40()
        return self._portable()

    def _logic(self, carry_cells: bool) -> Module:
        m = Module()
        for i in range(self.count):
            result = logic_product(
                m, self.a[i], self.b[i], latency=self.latency, carry_cells=carry_cells, name=f"product_{i}"
            )
            m.d.comb += self.product[i].eq(result)
        return m

    def _portable(self) -> Module:
        m = Module()
        for i in range(self.count):
            a = Signal(signed(8), name=f"a_{i}", reset_less=True)
            b = Signal(signed(8), name=f"b_{i}", reset_less=True)
            m.d.sync += [a.eq(self.a[i]), b.eq(self.b[i])]
            value: Value = a * b
            for stage in range(1, self.latency):
                register = Signal(signed(16), name=f"product_{i}_{stage}", reset_less=True)
                m.d.sync += register.eq(value)
                value = register
            m.d.comb += self.product[i].eq(value)
        return m

    def _ecp5(self) -> Module:
        m = Module()
        for i in range(self.count):
            output = Signal(signed(16), name=f"output_{i}")
            m.submodules[f"multiplier_{i}"] = mult18x18d(self.a[i], self.b[i], output)
            if self.latency == 3:
                slack = Signal(signed(16), name=f"slack_{i}", reset_less=True)
                m.d.sync += slack.eq(output)
                output = slack
            m.d.comb += self.product[i].eq(output)
        return m

    def _ice40(self) -> Module:
        m = Module()
        for i in range(0, self.count, 2):
            pair = [(self.a[j], self.b[j]) if j < self.count else (Const(0, 8), Const(0, 8)) for j in (i, i + 1)]
            products = Signal(32, name=f"products_{i}")
            m.submodules[f"multiplier_{i}"] = sb_mac16_pair(
                Cat(a for a, _ in pair), Cat(b for _, b in pair), products, latency=self.latency
            )
            for j in range(i, min(i + 2, self.count)):
                m.d.comb += self.product[j].eq(products[16 * (j - i) :][:16].as_signed())
        return m
