"""The memory-mapped port of the core: every bus and host link ends here."""

from __future__ import annotations

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..control.register_map import ADDRESS_WIDTH, Status

__all__ = ["REQUEST", "RESPONSE", "CorePort"]

REQUEST = data.StructLayout({"address": ADDRESS_WIDTH, "write": 1, "data": 32})
"""One access: word address, direction, data to write."""

RESPONSE = data.StructLayout({"data": 32, "status": Status})
"""Its outcome: data read (0 after a write or an error), status."""


class CorePort(wiring.Signature):
    """Requests and responses of the core, seen from the side that asks.

    Every request is answered by exactly one response, in order, within 32 cycles of ``response.ready``; a request is
    accepted only when the one before has been answered. Nothing that is requested can make the port hang.

    Members
    -------
    request : Out(stream of REQUEST)
    response : In(stream of RESPONSE)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "request": Out(stream.Signature(REQUEST)),
                "response": In(stream.Signature(RESPONSE)),
            }
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CorePort)

    def __repr__(self) -> str:
        return "CorePort()"
