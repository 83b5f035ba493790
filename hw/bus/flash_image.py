"""The image that a board loads from its flash: one definition for the loader in hardware and the tool that writes it.

    header: 4D 41 43 57 | identity of the engine, 8 bytes, little-endian
    image:  header | WRITE requests | a PING request | FF * GAP_BYTES | the last WRITE request | FF * GAP_BYTES

The requests are those of hw/bus/frame.py, each with its own CRC-32. Sequence numbers count from 0, modulo 128; the last
request's has bit 7 set in addition. It writes the beginning of the program, with the engine's identity, without which the
engine runs nothing. The loader reads ahead, as much as the bridge's queue holds; so it knows before the last request
reaches the bridge that all others were executed: that is what the PING and the gap are for.
"""

from __future__ import annotations

__all__ = ["GAP_BYTES", "HEADER_BYTES", "LAST_FRAME", "MAGIC_BYTES", "PATIENCE_BYTES", "header"]

MAGIC_BYTES = b"MACW"
"""First bytes of an image."""

HEADER_BYTES = len(MAGIC_BYTES) + 8
"""Bytes in front of the first request."""

LAST_FRAME = 0x80
"""Bit of the last request's sequence number."""

PATIENCE_BYTES = 2048
"""So many bytes without an answer mean that a request is damaged."""

GAP_BYTES = 512
"""Erased bytes in front of and behind the last request: more than the bridge's queue holds."""


def header(identity: int) -> bytes:
    """The first bytes of an image for the engine with ``identity`` (64 bits)."""
    return MAGIC_BYTES + identity.to_bytes(8, "little")
