"""The carry chain of the ECP5, and adders in it with a function of the operands' bits inside the same look-up table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Const, Instance, Module, Signal, Value

__all__ = ["CarrySlot", "add_ands", "add_selected", "carry_chain"]

_ADD = 0x7888
"""(A and B) xor (C and D); with C and D low: A and B, the carry that the cell generates where both operands agree."""
_SUBTRACT = 0x8777
"""not (A and B) xor (C and D); with C and D low: not (A and B)."""
_ADD_SELECTED = 0x569A
"""A xor (D if B else C); with C and D low: A."""
_CARRY_0 = 0x0000
_CARRY_1 = 0x000F
"""With C and D high the table gives 0, with C and D low 1: a carry out whatever comes in."""


@dataclass(frozen=True)
class CarrySlot:
    """Half a carry cell: with ``t = table[D C B A]``, its sum is ``t xor carry in`` and its carry out ``carry in`` if t, else
    ``table[0 0 B A]``.

    Parameters
    ----------
    table : int
        16 bits, bit ``8 D + 4 C + 2 B + A``.
    inputs : four Values
        A, B, C, D.
    total : Value to assign, or None
        Receives the sum.
    """

    table: int
    inputs: Sequence[Value]
    total: Value | None = None


def carry_chain(m: Module, slots: Sequence[CarrySlot], name: str) -> None:
    """A chain of slots. The carry into the first is undefined: its table gives 0 and its sum is not read."""
    slots = list(slots)
    if len(slots) % 2:
        slots.append(CarrySlot(_CARRY_0, [Const(0, 1)] * 4))
    carry: Signal | None = None
    for number in range(0, len(slots), 2):
        ports: dict[str, Any] = {}
        for place in (0, 1):
            slot = slots[number + place]
            ports |= {f"i_{pin}{place}": value for pin, value in zip("ABCD", slot.inputs, strict=True)}
            ports |= {f"p_INIT{place}": Const(slot.table, 16), f"p_INJECT1_{place}": "NO"}
            ports[f"o_S{place}"] = Signal() if slot.total is None else slot.total
        if carry is not None:
            ports["i_CIN"] = carry
        if number + 2 < len(slots):
            carry = Signal(name=f"{name}_carry_{number}")
            ports["o_COUT"] = carry
        m.submodules[f"{name}_{number}"] = Instance("CCU2C", **ports)


def add_ands(m: Module, terms: Sequence[tuple[Value, Value, Value, Value]], *, subtract: bool, name: str) -> Signal:
    """The sum over all bits i of ``(c & d) + (a & b)``, or with ``subtract`` of ``(c & d) - (a & b)``, modulo 2**bits.

    ``terms`` gives (a, b, c, d) for each bit, lowest first. One look-up table a bit and one to start the carry. Yosys
    does not put the ANDs into the chain, and nextpnr spends four tables to feed a constant carry.
    """
    total = Signal(len(terms), name=name)
    start = [Const(0, 1), Const(0, 1), Const(1, 1), Const(1, 1)]
    slots = [CarrySlot(_CARRY_1 if subtract else _CARRY_0, start)]
    slots += [CarrySlot(_SUBTRACT if subtract else _ADD, term, total[bit]) for bit, term in enumerate(terms)]
    carry_chain(m, slots, name)
    return total


def add_selected(
    m: Module, select: Value, sums: Sequence[tuple[Value, Value, Value, int]], name: str
) -> list[Signal]:
    """For each ``(a, low, high, width)`` of ``sums``: ``a + (high if select else low)``, which must fit ``width`` bits.

    One look-up table a bit, the choice included, and one to start the carry of all: no sum leaves a carry to the next.
    """
    totals = []
    slots = [CarrySlot(_CARRY_0, [Const(0, 1), Const(0, 1), Const(1, 1), Const(1, 1)])]
    for number, (a, low, high, width) in enumerate(sums):
        total = Signal(width, name=f"{name}_{number}")
        for bit in range(width):
            inputs = [value[bit] if bit < len(value) else Const(0, 1) for value in (a, low, high)]
            slots.append(CarrySlot(_ADD_SELECTED, [inputs[0], select, inputs[1], inputs[2]], total[bit]))
        totals.append(total)
    carry_chain(m, slots, name)
    return totals
