"""The flash loader without time: an image to the bridge, byte by byte, and what becomes of it."""

from __future__ import annotations

from .frame_bridge import FrameBridgeModel

__all__ = ["DAMAGED", "LOADED", "NO_IMAGE", "OTHER_ENGINE", "load"]

LOADED, NO_IMAGE, OTHER_ENGINE, DAMAGED = 1, 2, 3, 4

_PATIENCE = 2048


def load(flash: bytes, identity: int, bridge: FrameBridgeModel) -> int:
    """The status after loading ``flash``, which begins with the image and is erased behind its end, through ``bridge``."""
    flash += b"\xff" * (3 * _PATIENCE)
    for at, byte in enumerate(b"MACW" + identity.to_bytes(8, "little")):
        if flash[at] != byte:
            return NO_IMAGE if at < 4 else OTHER_ENGINE
    following = silent = 0
    for byte in flash[12:]:
        answer = bridge.feed(bytes([byte]))
        silent += 1
        if answer:
            _, _, status, sequence = answer[:4]
            if status or sequence % 128 != following:
                return DAMAGED
            if sequence >= 128:
                return LOADED
            following, silent = (following + 1) % 128, 0
        if silent == _PATIENCE:
            return DAMAGED
    raise AssertionError("the loader has no end")
