"""CRC-32 of IEEE 802.3, bit by bit as the standard writes it."""

from __future__ import annotations

__all__ = ["crc32"]


def crc32(message: bytes) -> int:
    """Remainder of the message (each byte least significant bit first, first 32 bits inverted) times x^32 by the
    generator polynomial 0x04C11DB7, inverted; its bit 31 is the coefficient of x^0."""
    remainder = 0xFFFFFFFF
    for byte in message:
        for bit in range(8):
            feedback = remainder >> 31 ^ byte >> bit & 1
            remainder = remainder << 1 & 0xFFFFFFFF
            if feedback:
                remainder ^= 0x04C11DB7
    return int(f"{remainder ^ 0xFFFFFFFF:032b}"[::-1], 2)
