"""One signed 8 x 8 product in adders of partial products."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Module, Signal, Value

from .ccu2c import add_ands

__all__ = ["logic_product"]


def logic_product(m: Module, a: Value, b: Value, *, latency: int, carry_cells: bool, name: str) -> Value:
    """``a * b`` of ``latency`` (2 or 3) cycles ago, registers in domain ``sync``, without a multiplication.

    Four sums of two partial products each are registered, then added in two levels; with latency 3 the two levels have
    a register between them. ``carry_cells`` takes the ECP5's carry cells (84 look-up tables as
    macaw.boards.toolchain places them), else ``+`` (about 160 on an ECP5, 130 on an iCE40).
    """
    plus: Callable[[Value, Value, str], Value]
    pair: Callable[[int, str], Value]

    if carry_cells:

        def plus(x: Value, y: Value, label: str) -> Value:
            one = Const(1, 1)
            return add_ands(m, [(p, one, q, one) for p, q in zip(x, y, strict=True)], subtract=False, name=label)

        def pair(i: int, label: str) -> Value:
            # Bit 0 comes from the lower row alone.
            terms = [(a[min(bit, 7)], b[i + 1], a[min(bit + 1, 7)], b[i]) for bit in range(9)]
            return Cat(a[0] & b[i], add_ands(m, terms, subtract=i == 6, name=label))

    else:

        def plus(x: Value, y: Value, label: str) -> Value:
            return (x + y)[: len(x)]

        def pair(i: int, label: str) -> Value:
            low, high = (a.as_unsigned() & b[row].replicate(8) for row in (i, i + 1))
            x, y = _extend(low[1:], 9), _extend(high, 9)
            return Cat(low[0], (x - y if i == 6 else x + y)[:9])

    def add(low: Value, high: Value, shift: int, label: str) -> Value:
        """``low + (high << shift)`` in at most 16 bits; the low bits pass by the adder."""
        width = min(16, max(len(low), len(high) + shift) + 1) - shift
        return Cat(low[:shift], plus(_extend(low[shift:], width), _extend(high, width), label))

    def register(value: Value, label: str) -> Signal:
        held = Signal(len(value), name=label, reset_less=True)
        m.d.sync += held.eq(value)
        return held

    pairs = [register(pair(i, f"{name}_pair_{i}"), f"{name}_rows_{i}") for i in (0, 2, 4, 6)]
    halves: list[Value] = [add(pairs[i], pairs[i + 1], 2, f"{name}_half_{i}") for i in (0, 2)]
    if latency == 3:
        halves = [register(half, f"{name}_held_{i}") for i, half in enumerate(halves)]
    return register(add(halves[0], halves[1], 4, f"{name}_sum"), f"{name}_product")[:16].as_signed()


def _extend(value: Value, width: int) -> Value:
    """Sign extension by hand: bits used more than once keep Yosys from merging adders into carry-save compressors,
    which take twice the look-up tables where carry chains are free."""
    return Cat(value, value[-1].replicate(max(0, width - len(value))))[:width]
