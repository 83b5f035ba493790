"""Delay lines: control that travels beside the data."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data

__all__ = ["copies", "delay"]


def delay(m: Module, source: Any, cycles: int, name: str, *, reset_less: bool = True) -> list[Any]:
    """Registers that hold ``source`` 1, 2, ... ``cycles`` cycles later; element 0 of the list is ``source`` itself.

    Only what has an effect by itself (a valid bit) needs a reset: pass ``reset_less=False`` for it. The first register
    has none even so, for it follows a source that has: a reset must last two cycles.
    """
    stages = [source]
    for cycle in range(1, cycles + 1):
        shape = source.shape() if isinstance(source, Value | data.View) else Value.cast(source).shape()
        stage = Signal(shape, name=f"{name}_{cycle}", reset_less=reset_less or cycle == 1)
        m.d.sync += stage.eq(stages[-1])
        stages.append(stage)
    return stages


def copies(
    m: Module, source: Any, count: int, name: str, *, reset_less: bool = True, init: int = 0
) -> list[Signal]:
    """``count`` registers that all hold ``source`` one cycle later: a high fan-out, cut into parts that can lie apart.

    The attribute keeps synthesis from merging them again. ``init`` is their value in reset.
    """
    registers = []
    for number in range(count):
        register = Signal(
            Value.cast(source).shape(), name=f"{name}_{number}", reset_less=reset_less, init=init,
            attrs={"keep": "true"},
        )  # fmt: skip
        m.d.sync += register.eq(source)
        registers.append(register)
    return registers
