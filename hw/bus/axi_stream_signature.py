"""The signals of AXI4-Stream."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["AxiStreamSignature"]


class AxiStreamSignature(wiring.Signature):
    """AXI4-Stream with 32 bits of data, seen from the transmitter; names as in the standard, in lower case. Every byte is a
    data byte: there is no ``tkeep``.

    Parameters
    ----------
    user : bool
        With one bit of ``tuser``.
    """

    def __init__(self, *, user: bool = False) -> None:
        self.user = user
        members = {"tdata": Out(32), "tlast": Out(1), "tvalid": Out(1), "tready": In(1)}
        super().__init__(members | ({"tuser": Out(1)} if user else {}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AxiStreamSignature) and self.user == other.user

    def __repr__(self) -> str:
        return f"AxiStreamSignature(user={self.user})"
