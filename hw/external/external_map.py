"""Where a feature map lies in the external memory: rows as the feature buffer has them, each with its checksum."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..memory.map_layout import MapLayout

__all__ = ["ExternalMap"]


@dataclass(frozen=True, kw_only=True)
class ExternalMap:
    """A map in the external memory, from its 32-bit word ``first`` on.

    ``layout``: the whole map in the feature buffer, without gaps between planes. A row of a plane is the words of its addresses,
    banks inside, each in 32-bit segments (lowest first; bytes behind the m-th are 0), then the CRC-32 of these bytes; rows form planes,
    planes the map.
    """

    layout: MapLayout
    first: int = 0

    @property
    def segments(self) -> int:
        """32-bit words of a word of the feature buffer."""
        return -(-self.layout.m // 4)

    @property
    def row_words(self) -> int:
        """Words of a row of a plane, checksum included."""
        return self.layout.line_words * self.layout.p * self.segments + 1

    @property
    def plane_words(self) -> int:
        """Words of a plane."""
        return self.layout.height * self.row_words

    @property
    def size(self) -> int:
        """Words of the map."""
        return self.layout.words * self.plane_words

    def pack(self, values: NDArray[np.int8]) -> NDArray[np.uint32]:
        """The map's words from values of shape (height, width, channels)."""
        layout = self.layout
        image = layout.pack(values).reshape(layout.words * layout.height, layout.line_words, layout.p, layout.m)
        padded = np.zeros((*image.shape[:-1], 4 * self.segments), np.uint8)
        padded[..., : layout.m] = image
        rows = padded.reshape(len(padded), -1)
        sums = np.array([zlib.crc32(row.tobytes()) for row in rows], "<u4").reshape(-1, 1)
        return np.concatenate([rows, sums.view(np.uint8)], axis=1).view("<u4").reshape(-1).astype(np.uint32)
