"""Loads the engine from a flash before the host may speak to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus.flash_image import HEADER_BYTES, LAST_FRAME, MAGIC_BYTES, PATIENCE_BYTES, header
from ..errors import UserError
from .register_map import BootStatus

if TYPE_CHECKING:
    from amaranth.hdl import Value

__all__ = ["FlashLoader"]

_ANSWER_BYTES = 10
_STATUS_PLACE, _SEQUENCE_PLACE = 2, 3


class FlashLoader(wiring.Component):
    """Passes the requests of a flash image (:mod:`macaw.hw.bus.flash_image`) to the frame bridge and reads its answers.

    The bridge checks each request's CRC-32 before it executes it, so the loader needs no more than the header, the order of
    the sequence numbers and the status of each answer. It ends with one of:

    - LOADED: the last request was answered, all with status 0;
    - NO_IMAGE: the first 4 bytes are others;
    - OTHER_ENGINE: the 8 bytes behind them are not the identity; nothing has been passed on;
    - DAMAGED: an answer has another status or another sequence number than the next one, or none came while 2048 bytes
      were passed on.

    Parameters
    ----------
    identity : int, 64 bits
        Of the engine.

    Members
    -------
    flash : In(stream of 8 bits)
        The flash's bytes from the image's first one on.
    request : Out(stream of 8 bits)
        Bytes to the bridge.
    answer : In(stream of 8 bits)
        Bytes from the bridge; always ready.
    status : Out(3)
        A BootStatus; it does not change after LOADING.
    done : Out(1)
        The status is another than LOADING: bridge and flash are not used any more.

    **Timing**: a byte a cycle.

    **Reset**: begins anew, as ``flash`` must.

    Raises UserError for an identity that is no 64-bit number.
    """

    flash: Any
    request: Any
    answer: Any
    status: Signal
    done: Signal

    def __init__(self, identity: int) -> None:
        if not isinstance(identity, int) or not 0 <= identity < 1 << 64:
            raise UserError(f"The identity of an engine must be a number of 64 bits, not {identity!r}.")
        self.identity = identity
        super().__init__(
            {
                "flash": In(stream.Signature(8)),
                "request": Out(stream.Signature(8)),
                "answer": In(stream.Signature(8)),
                "status": Out(3),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        place = Signal(range(max(HEADER_BYTES, _ANSWER_BYTES)))  # in the header, then in an answer
        expected: Value = Const(int.from_bytes(header(self.identity), "little"), 8 * HEADER_BYTES).word_select(place, 8)
        following = Signal(exact_log2(LAST_FRAME))
        last = Signal()
        silent = Signal(exact_log2(PATIENCE_BYTES) + 1)  # bytes since the answer before; the top bit is too many
        m.d.comb += [
            self.done.eq(self.status != BootStatus.LOADING),
            self.request.payload.eq(self.flash.payload),
            self.answer.ready.eq(1),
        ]
        with m.FSM():
            with m.State("header"):
                m.d.comb += self.flash.ready.eq(1)
                with m.If(self.flash.valid):
                    m.d.sync += place.eq(place + 1)
                    with m.If(self.flash.payload != expected):
                        m.d.sync += self.status.eq(BootStatus.OTHER_ENGINE)
                        with m.If(place < len(MAGIC_BYTES)):
                            m.d.sync += self.status.eq(BootStatus.NO_IMAGE)
                        m.next = "done"
                    with m.Elif(place == HEADER_BYTES - 1):
                        m.d.sync += place.eq(0)
                        m.next = "requests"
            with m.State("requests"):
                m.d.comb += [self.flash.ready.eq(self.request.ready), self.request.valid.eq(self.flash.valid)]
                with m.If(self.request.valid & self.request.ready):
                    m.d.sync += silent.eq(silent + 1)
                with m.If(self.answer.valid):
                    m.d.sync += [place.eq(place + 1), silent.eq(0)]
                    with m.Switch(place):
                        with m.Case(_SEQUENCE_PLACE):
                            m.d.sync += [last.eq(self.answer.payload[-1]), following.eq(following + 1)]
                        with m.Case(_ANSWER_BYTES - 1):
                            m.d.sync += place.eq(0)
                            with m.If(last):
                                m.d.sync += self.status.eq(BootStatus.LOADED)
                                m.next = "done"
                wrong_status = (place == _STATUS_PLACE) & (self.answer.payload != 0)
                wrong_sequence = (place == _SEQUENCE_PLACE) & (self.answer.payload[: len(following)] != following)
                with m.If((self.answer.valid & (wrong_status | wrong_sequence)) | silent[-1]):
                    m.d.sync += self.status.eq(BootStatus.DAMAGED)
                    m.next = "done"
            with m.State("done"):
                pass
        return m
