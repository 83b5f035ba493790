"""The multiplier of the ECP5 with its own input and output registers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Signal, Value

__all__ = ["mult18x18d"]


def mult18x18d(a: Value, b: Value, product: Signal) -> Instance:
    """``product`` is ``a * b`` of two cycles ago: input register, output register, both in domain ``sync``.

    Operands are at most 18 bits and are extended by their own sign; ``product`` takes the low bits of the 36. The
    registers start at 0 and are not reset.
    """
    ports: dict[str, Any] = {"i_CLK0": ClockSignal(), "i_CE0": Const(1), "i_RST0": Const(0)}
    for number in range(1, 4):
        ports |= {f"i_CLK{number}": Const(0), f"i_CE{number}": Const(0), f"i_RST{number}": Const(0)}
    for name, operand in (("A", a), ("B", b)):
        signed = operand.shape().signed
        bits = [operand[bit] for bit in range(len(operand))]
        # An unsigned operand below 18 bits is a non-negative signed one: always the same mode of the cell.
        bits += [bits[-1] if signed else Const(0)] * (18 - len(operand))
        ports |= {f"i_{name}{bit}": value for bit, value in enumerate(bits)}
        ports[f"i_SIGNED{name}"] = Const(int(signed or len(operand) < 18))
        ports[f"i_SOURCE{name}"] = Const(0)
        ports |= {f"p_REG_INPUT{name}_CLK": "CLK0", f"p_REG_INPUT{name}_CE": "CE0", f"p_REG_INPUT{name}_RST": "RST0"}
    ports |= {f"i_C{bit}": Const(0) for bit in range(18)}
    ports |= {f"o_P{bit}": product[bit] for bit in range(len(product))}
    ports |= {
        "p_REG_PIPELINE_CLK": "NONE", "p_REG_OUTPUT_CLK": "CLK0", "p_REG_OUTPUT_CE": "CE0", "p_REG_OUTPUT_RST": "RST0",
        "p_RESETMODE": "SYNC", "p_GSR": "DISABLED",
    }  # fmt: skip
    return Instance("MULT18X18D", **ports)
