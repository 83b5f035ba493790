"""Adders in the carry chain of the ECP5, with the AND of each operand's bit inside the same look-up table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Const, Instance, Module, Signal, Value

__all__ = ["add_ands"]

_ADD = 0x7888
"""(A and B) xor (C and D); with C and D low: A and B, the carry that the cell generates where both operands agree."""
_SUBTRACT = 0x8777
"""not (A and B) xor (C and D); with C and D low: not (A and B)."""
_CARRY_0 = 0x0000
_CARRY_1 = 0x000F
"""With C and D high the table gives 0, with C and D low 1: a carry out whatever comes in."""


def add_ands(m: Module, terms: Sequence[tuple[Value, Value, Value, Value]], *, subtract: bool, name: str) -> Signal:
    """The sum over all bits i of ``(c & d) + (a & b)``, or with ``subtract`` of ``(c & d) - (a & b)``, modulo 2**bits.

    ``terms`` gives (a, b, c, d) for each bit, lowest first. One look-up table a bit and one to start the carry. Yosys
    does not put the ANDs into the chain, and nextpnr spends four tables to feed a constant carry.
    """
    total = Signal(len(terms), name=name)
    slots: list[tuple[int, Sequence[Value], Value]] = [
        (_CARRY_1 if subtract else _CARRY_0, [Const(0, 1), Const(0, 1), Const(1, 1), Const(1, 1)], Signal(1))
    ]
    slots += [(_SUBTRACT if subtract else _ADD, term, total[bit]) for bit, term in enumerate(terms)]
    if len(slots) % 2:
        slots.append((_CARRY_0, [Const(0, 1)] * 4, Signal(1)))
    carry: Signal | None = None
    for number in range(0, len(slots), 2):
        ports: dict[str, Any] = {}
        for place in (0, 1):
            table, inputs, output = slots[number + place]
            ports |= {f"i_{pin}{place}": value for pin, value in zip("ABCD", inputs, strict=True)}
            ports |= {f"p_INIT{place}": Const(table, 16), f"p_INJECT1_{place}": "NO", f"o_S{place}": output}
        if carry is not None:
            ports["i_CIN"] = carry
        if number + 2 < len(slots):
            carry = Signal(name=f"{name}_carry_{number}")
            ports["o_COUT"] = carry
        m.submodules[f"{name}_{number}"] = Instance("CCU2C", **ports)
    return total
