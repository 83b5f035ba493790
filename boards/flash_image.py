"""The image of a network for a board's flash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..hw.bus.flash_image import GAP_BYTES, LAST_FRAME, header
from ..hw.bus.frame import Operation
from ..hw.control.register_map import Region, region_address
from .accelerator import Images
from .link.frame import encode_request

__all__ = ["FlashImage", "flash_image"]

_PAYLOAD_WORDS = 128  # what the boards' bridges hold
_ERASED = b"\xff" * GAP_BYTES


@dataclass(frozen=True)
class FlashImage:
    """The bytes of an image, and where in them its parts begin: the requests, the PING, the last request, and its end."""

    data: bytes
    requests: tuple[int, int, int, int]


def _pieces(images: Images) -> Iterator[tuple[int, NDArray[np.uint32]]]:
    """Address and words of each request; the first words of the program, with the engine's identity, come last."""
    region: Any = Region  # a type checker takes the members of an Amaranth enumeration for integers
    parts = (
        (region.TAPS, 0, images.taps),
        (region.WEIGHTS, 0, images.weights),
        (region.PROGRAM, _PAYLOAD_WORDS, images.program[_PAYLOAD_WORDS:]),
        (region.PROGRAM, 0, images.program[:_PAYLOAD_WORDS]),
    )
    for kind, offset, words in parts:
        for at in range(0, len(words), _PAYLOAD_WORDS):
            yield region_address(kind, offset + at), words[at : at + _PAYLOAD_WORDS]


def flash_image(identity: int, images: Images) -> FlashImage:
    """The image (hw/bus/flash_image.py) that loads ``images`` into the engine with ``identity``."""
    data = header(identity)
    first = len(data)
    *pieces, (address, words) = _pieces(images)
    for number, (place, payload) in enumerate(pieces):
        data += encode_request(Operation.WRITE, sequence=number % LAST_FRAME, address=place, payload=payload)
    ping = len(data)
    data += encode_request(Operation.PING, sequence=len(pieces) % LAST_FRAME) + _ERASED
    last = len(data)
    sequence = (len(pieces) + 1) % LAST_FRAME | LAST_FRAME
    data += encode_request(Operation.WRITE, sequence=sequence, address=address, payload=words)
    return FlashImage(data + _ERASED, (first, ping, last, len(data)))
