"""CRC-32 of a stream of bytes, or of words of several bytes."""

from __future__ import annotations

from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Crc32"]

_POLYNOMIAL = 0xEDB88320  # 0x04C11DB7 reflected: the register shifts right, the lowest bit is x^31
_RESIDUE = 0xDEBB20E3  # the register after a message and its own checksum


def _next_terms(width: int) -> list[tuple[frozenset[int], frozenset[int]]]:
    """For each bit of the register after ``width`` bits: the register bits and the data bits whose XOR it is."""
    terms: list[tuple[frozenset[int], frozenset[int]]] = [(frozenset({bit}), frozenset()) for bit in range(32)]
    for data_bit in range(width):
        feedback = (terms[0][0], terms[0][1] ^ {data_bit})
        terms = [*terms[1:], (frozenset(), frozenset())]
        for bit in range(32):
            if _POLYNOMIAL >> bit & 1:
                terms[bit] = (terms[bit][0] ^ feedback[0], terms[bit][1] ^ feedback[1])
    return terms


class Crc32(wiring.Component):
    """CRC-32 of IEEE 802.3 (reflected, initial value and final XOR 0xFFFFFFFF): the value of ``zlib.crc32``.

    Parameters
    ----------
    width : int, 8 or 32
        Bits of a transfer; the first byte of a word is its lowest.

    Members
    -------
    i : In(stream of width bits)
        The bytes of the message; always ready.
    clear : In(1)
        Starts a new message; a transfer in the same cycle is dropped.
    crc : Out(32)
        Checksum of the bytes since ``clear``; it is sent least significant byte first.
    match : Out(1)
        The last four bytes were the checksum of the bytes before them.

    **Timing**: ``crc`` and ``match`` include a transfer one cycle after it is taken; one a cycle.

    **Reset**: as ``clear``.
    """

    i: stream.Interface
    clear: Signal
    crc: Signal
    match: Signal

    def __init__(self, width: int = 8) -> None:
        self.width = width
        super().__init__(
            {
                "i": In(stream.Signature(width)),
                "clear": In(1),
                "crc": Out(32),
                "match": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        register = Signal(32, init=0xFFFFFFFF)
        following = [
            Cat(*(register[bit] for bit in sorted(old)), *(self.i.payload[bit] for bit in sorted(data))).xor()
            for old, data in _next_terms(self.width)
        ]
        with m.If(self.clear):
            m.d.sync += register.eq(0xFFFFFFFF)
        with m.Elif(self.i.valid):
            m.d.sync += register.eq(Cat(*following))
        m.d.comb += [self.i.ready.eq(1), self.crc.eq(~register), self.match.eq(register == _RESIDUE)]
        return m
