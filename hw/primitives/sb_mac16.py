"""The multiplier of the iCE40 UltraPlus as two signed 8 x 8 multipliers."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Const, Instance, Signal, Value

__all__ = ["sb_mac16_pair"]


def sb_mac16_pair(a: Value, b: Value, products: Signal, *, latency: int) -> Instance:
    """Two products in one SB_MAC16: ``a`` and ``b`` hold two signed bytes each, ``products`` two signed 16-bit results.

    ``latency`` 2: input register and multiplier register. 3: the result also passes the cell's adder (with 0) into its
    output register. Registers in domain ``sync``; they start at 0 and are not reset.
    """
    through_adder = latency == 3
    zero, one = Const(0), Const(1)
    return Instance(
        "SB_MAC16",
        p_NEG_TRIGGER=Const(0, 1), p_MODE_8x8=Const(1, 1), p_A_SIGNED=Const(1, 1), p_B_SIGNED=Const(1, 1),
        p_A_REG=Const(1, 1), p_B_REG=Const(1, 1), p_C_REG=Const(0, 1), p_D_REG=Const(0, 1),
        p_TOP_8x8_MULT_REG=Const(1, 1), p_BOT_8x8_MULT_REG=Const(1, 1),
        p_PIPELINE_16x16_MULT_REG1=Const(0, 1), p_PIPELINE_16x16_MULT_REG2=Const(0, 1),
        p_TOPOUTPUT_SELECT=Const(1 if through_adder else 2, 2), p_BOTOUTPUT_SELECT=Const(1 if through_adder else 2, 2),
        p_TOPADDSUB_LOWERINPUT=Const(1, 2), p_BOTADDSUB_LOWERINPUT=Const(1, 2),
        p_TOPADDSUB_UPPERINPUT=Const(1, 1), p_BOTADDSUB_UPPERINPUT=Const(1, 1),
        p_TOPADDSUB_CARRYSELECT=Const(0, 2), p_BOTADDSUB_CARRYSELECT=Const(0, 2),
        i_CLK=ClockSignal(), i_CE=one, i_A=a, i_B=b, i_C=Const(0, 16), i_D=Const(0, 16),
        i_AHOLD=zero, i_BHOLD=zero, i_CHOLD=zero, i_DHOLD=zero,
        i_IRSTTOP=zero, i_IRSTBOT=zero, i_ORSTTOP=zero, i_ORSTBOT=zero,
        i_OLOADTOP=zero, i_OLOADBOT=zero, i_ADDSUBTOP=zero, i_ADDSUBBOT=zero, i_OHOLDTOP=zero, i_OHOLDBOT=zero,
        i_CI=zero, i_ACCUMCI=zero, i_SIGNEXTIN=zero, o_O=products,
    )  # fmt: skip
