"""What the PLLs of all families have in common on the outside."""

from __future__ import annotations

from typing import Generic, TypeVar

from amaranth.hdl import Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ReferencePll"]

Setting = TypeVar("Setting")


class ReferencePll(wiring.Component, Generic[Setting]):
    """A PLL with one output, whose reference comes from a pin over its buffer.

    Parameters
    ----------
    setting : Setting
        The family's, with ``input_hz`` and ``output_hz``.

    Members
    -------
    reference : In(1)
        Clock of ``setting.input_hz``.
    clock : Out(1)
        Clock of ``setting.output_hz``.
    locked : Out(1)
        High when the output is stable; asynchronous.
    """

    reference: Signal
    clock: Signal
    locked: Signal

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        super().__init__({"reference": In(1), "clock": Out(1), "locked": Out(1)})
