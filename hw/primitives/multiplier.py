"""A wide pipelined multiplier: signed times unsigned, split over the device's 18 x 18 multipliers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..errors import UserError
from .mult18x18d import mult18x18d
from .target import Family, family_of

__all__ = ["Multiplier"]

_PIECE = 17
"""Bits of a piece: an unsigned 17-bit number is a signed 18-bit one."""


class Multiplier(wiring.Component):
    """``product = a * b`` with a signed ``a`` and an unsigned ``b``, exact.

    Each operand is split into a low piece of 17 bits and the rest; one, two or four products of pieces are added.

    Parameters
    ----------
    width_a : int, 1..35
        Bits of ``a``, two's complement.
    width_b : int, 1..34
        Bits of ``b``, unsigned.

    Members
    -------
    a : In(signed(width_a))
    b : In(width_b)
    product : Out(signed(width_a + width_b))

    **Timing.** ``latency`` is 3 cycles (input register, output register, slack) plus one for two products of pieces
    (a wider than 18 or b wider than 17 bits) or two for four products (both). One product a cycle, no stall.

    **Reset.** Registers start at 0 and are not reset.

    Raises
    ------
    UserError
        A width out of range.
    """

    a: Any
    b: Any
    product: Any

    def __init__(self, width_a: int, width_b: int) -> None:
        if not 1 <= width_a <= 35:
            raise UserError(f"A multiplier's signed operand has from 1 to 35 bits, not {width_a}.")
        if not 1 <= width_b <= 34:
            raise UserError(f"A multiplier's unsigned operand has from 1 to 34 bits, not {width_b}.")
        self.width_a = width_a
        self.width_b = width_b
        super().__init__({"a": In(signed(width_a)), "b": In(width_b), "product": Out(signed(width_a + width_b))})

    @property
    def latency(self) -> int:
        """Cycles from operands to product."""
        return self.latency_of(self.width_a, self.width_b)

    @staticmethod
    def latency_of(width_a: int, width_b: int) -> int:
        """Cycles from operands to product of a multiplier that need not be built."""
        return 3 + (width_a > _PIECE + 1) + (width_b > _PIECE)

    @staticmethod
    def pieces_of(width_a: int, width_b: int) -> int:
        """Multiplier cells of an ECP5."""
        return (1 + (width_a > _PIECE + 1)) * (1 + (width_b > _PIECE))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        vendor = family_of(platform) is Family.ECP5
        split_a = self.width_a > _PIECE + 1
        split_b = self.width_b > _PIECE
        pieces_a: list[Value] = [self.a[:_PIECE], self.a[_PIECE:].as_signed()] if split_a else [self.a]
        pieces_b: list[Value] = [self.b[:_PIECE], self.b[_PIECE:]] if split_b else [self.b]

        def product(i: int, j: int) -> Signal:
            a, b = pieces_a[i], pieces_b[j]
            width = len(a) + len(b)
            shape = signed(width) if a.shape().signed else width
            output = Signal(shape, name=f"output_{i}_{j}", reset_less=True)
            slack = Signal(shape, name=f"slack_{i}_{j}", reset_less=True)
            if vendor:
                m.submodules[f"multiplier_{i}_{j}"] = mult18x18d(a, b, output)
            else:
                held_a = Signal(a.shape(), name=f"a_{i}_{j}", reset_less=True)
                held_b = Signal(b.shape(), name=f"b_{i}_{j}", reset_less=True)
                m.d.sync += [held_a.eq(a), held_b.eq(b), output.eq(held_a * held_b)]
            m.d.sync += slack.eq(output)
            return slack

        total = Signal(signed(self.width_a + self.width_b), reset_less=True)
        m.d.comb += self.product.eq(total)
        low = product(0, 0)
        if not split_a and not split_b:
            m.d.comb += total.eq(low)
        elif split_a != split_b:
            # The low 17 bits of the low product are final.
            high = product(1, 0) if split_a else product(0, 1)
            upper = low[_PIECE:].as_signed() if low.shape().signed else low[_PIECE:]
            m.d.sync += total.eq(Cat(low[:_PIECE], (upper + high)[: len(total) - _PIECE]))
        else:
            # Low and high product do not overlap: they stand side by side while the two middle ones are added.
            cross_a, cross_b, high = product(1, 0), product(0, 1), product(1, 1)
            outer = Signal(len(low) + len(high), reset_less=True)
            middle = Signal((cross_a + cross_b).shape(), reset_less=True)
            m.d.sync += [
                outer.eq(Cat(low, high)),
                middle.eq(cross_a + cross_b),
                total.eq(Cat(outer[:_PIECE], (outer[_PIECE:].as_signed() + middle)[: len(total) - _PIECE])),
            ]
        return m
