"""A compressor tree: the sum of many weighted functions of a few bits each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..primitives.ccu2c import CarrySlot, carry_chain
from ..primitives.target import Family, family_of
from .compression import Cell, Function, Segment, Stage, Term, compress

__all__ = ["CompressorTree"]

_LONGEST_CHAIN = 24
"""Slots of a carry chain: timing analysis takes the whole chain for a path, although carries end at each segment."""


class CompressorTree(wiring.Component):
    """``total = (constant + sum(terms)) mod 2**width``, each term a function of bits of its own.

    On an ECP5 every look-up table is half a carry cell. It adds two functions of two bits each (a product of two binary
    values, of two bits, or sum or carry of two bits) to the carry; the table in which a segment's carry leaves the chain
    puts the next segment's first bit into it. Elsewhere a segment is an adder, or logic if it is one column.

    Parameters
    ----------
    terms : sequence of Term
    constant : int
    width : int, >= 1
        Bits of the total.

    Members
    -------
    operands : In(inputs of all terms)
        Bits of the first term, then of the second, ...
    total : Out(width)

    **Timing.** Latency ``latency`` cycles, one register after each stage; a total every cycle.

    **Reset.** Registers are not reset.

    Raises ValueError for no terms or no bits.
    """

    operands: Signal
    total: Signal

    def __init__(self, terms: Sequence[Term], constant: int, width: int) -> None:
        self.terms = tuple(terms)
        self.plan = compress(self.terms, constant, width)
        self.latency = self.plan.latency
        super().__init__({"operands": In(sum(term.inputs for term in self.terms)), "total": Out(width)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bits: list[Value] = list(self.operands)
        for number, stage in enumerate(self.plan.stages):
            if family_of(platform) is Family.ECP5:
                sums = _in_carry_chains(m, stage, bits, f"stage_{number}")
            else:
                sums = [bit for segment in stage.segments for bit in _adder(segment, bits)]
            sums += [_value(function, bits) for function in stage.passed]
            held = Signal(len(sums), name=f"bits_{number}", reset_less=True)
            m.d.sync += held.eq(Cat(sums))
            bits = list(held)
        for column, bit in zip(self.plan.columns, bits, strict=True):
            m.d.comb += self.total[column].eq(bit)
        return m


def _value(function: Function, bits: Sequence[Value], least: int = 1) -> Value:
    """Whether the function is at least ``least``."""
    inputs = [bits[source] for source in function.sources]
    ones = [index for index, value in enumerate(function.values) if value >= least]
    if len(ones) in (0, len(function.values)):
        return Const(bool(ones), 1)
    if len(inputs) == 1:
        return inputs[0] if ones == [1] else ~inputs[0]
    table = sum(1 << index for index in ones)
    return Const(table, len(function.values)).bit_select(Cat(inputs), 1)


def _adder(segment: Segment, bits: Sequence[Value]) -> list[Value]:
    """Sum bits of a segment."""
    rows: list[list[Value]] = [[], []]
    for cell in segment.cells:
        for place, row in enumerate(rows):
            if len(cell.operands) == 1 and len(cell.operands[0].sources) > 2:
                row.append(_value(cell.operands[0], bits, place + 1))
            else:
                row.append(_value(cell.operands[place], bits) if place < len(cell.operands) else Const(0, 1))
    carry = Const(0, 1) if segment.injected is None else _value(segment.injected, bits)
    if len(segment.cells) == 1:
        a, b = rows[0][0], rows[1][0]
        return [a ^ b ^ carry, (a & b) | (carry & (a ^ b))][: 1 + segment.carry]
    # The carry as a column of its own below the lowest: one chain, where a third summand would be a second one.
    total = Cat(carry, *rows[0]) + Cat(carry, *rows[1])
    return list(total[1 : 1 + len(segment.cells) + segment.carry])


def _in_carry_chains(m: Module, stage: Stage, bits: Sequence[Value], name: str) -> list[Value]:
    """Sum bits of all segments, one segment behind the other in carry chains."""
    sums: list[Value] = []
    slots: list[CarrySlot] = []
    leaving: Signal | None = None
    chains = 0

    def finish() -> None:
        nonlocal slots, leaving, chains
        if leaving is not None:
            slots.append(_entry(None, bits, leaving))
        if slots:
            carry_chain(m, slots, f"{name}_chain_{chains}")
            chains += 1
        slots, leaving = [], None

    for index, segment in enumerate(stage.segments):
        if len(slots) + len(segment.cells) + 2 > _LONGEST_CHAIN and slots:
            finish()
        slots.append(_entry(segment.injected, bits, leaving))
        outputs = Signal(len(segment.cells) + segment.carry, name=f"{name}_sum_{index}")
        for place, cell in enumerate(segment.cells):
            slots.append(_addition(cell, bits, outputs[place]))
        leaving = outputs[-1] if segment.carry else None
        sums += list(outputs)
    finish()
    return sums


def _entry(function: Function | None, bits: Sequence[Value], leaving: Value | None) -> CarrySlot:
    """The slot in which the carry of one segment leaves and that of the next is ``function``."""
    values: tuple[int, ...] = (0,)
    inputs: list[Value] = [Const(0, 1), Const(0, 1)]
    if function is not None:
        values = function.values
        inputs = [*(bits[source] for source in function.sources), *inputs][:2]
    table = sum(values[index % len(values)] << index for index in range(4))
    return CarrySlot(table, [*inputs, Const(1, 1), Const(1, 1)], leaving)


def _addition(cell: Cell, bits: Sequence[Value], total: Value) -> CarrySlot:
    """The slot that adds a cell's operands to the carry: with u their sum, t is whether u is 1."""
    first = cell.operands[0] if cell.operands else Function((0,))
    if len(first.sources) > 2:
        table = sum((value == 1) << index for index, value in enumerate(first.values))
        return CarrySlot(table, [bits[source] for source in first.sources], total)
    # A constant 1 takes the place of the second operand's missing input, so that C and D are never both 0.
    low = [*(bits[source] for source in first.sources), Const(0, 1), Const(0, 1)][:2]
    second = cell.operands[1] if len(cell.operands) > 1 else Function((0,))
    high = [*(bits[source] for source in second.sources), Const(1, 1), Const(1, 1)][:2]
    table = 0
    for index in range(16):
        value = first.values[(index & 3) % len(first.values)]
        if index >> 2:
            value += second.values[(index >> 2) % len(second.values)]
        table |= (value == 1) << index
    return CarrySlot(table, [*low, *high], total)
