"""Where the elements of a feature map lie in the feature buffer: the one definition for hardware, compiler and host."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..formats import FORMATS

__all__ = ["MapLayout"]


@dataclass(frozen=True, kw_only=True)
class MapLayout:
    """Layout of a map of ``height`` x ``width`` pixels with ``channels`` channels.

    Column ``x`` of a map that is consumed with horizontal stride ``phases`` belongs to phase ``x mod phases`` and has
    position ``q = x div phases`` in it. Position ``q`` lies in bank ``q mod p``. A phase of a row is ``phase_words``
    addresses long, so each phase starts in bank 0::

        address(y, w, x) = base + w * plane_words + y * line_words + (x mod phases) * phase_words + q div p

    with ``w`` the word: the rows of one word follow each other and form a plane. A word holds ``8 * m / bits`` channels;
    with ``f`` channels in ``first_byte`` bytes, channel ``c`` is value ``(f + c) mod (8 * m / bits)`` of word
    ``w = (f + c) div (8 * m / bits)``. What is left of a map's last byte is code 0.

    Parameters
    ----------
    p, m : int
        Banks, and bytes in a word.
    base : int
        Address of the first word in every bank.
    pitch : int
        Addresses between two planes where they do not follow each other without a gap: more than the rows of a plane
        occupy; 0: no gap.
    first_byte : int, 0..m - 1
        Byte of channel 0 in its word: not 0 for part of a larger map.
    format : str
        Name of the values' number format (hw/formats.py).

    Raises
    ------
    ValueError
        If the pitch is less than the rows of a plane occupy, or a part does not begin with a byte.
    """

    p: int
    m: int
    height: int
    width: int
    channels: int
    phases: int = 1
    base: int = 0
    pitch: int = 0
    first_byte: int = 0
    format: str = "int8"

    def __post_init__(self) -> None:
        if self.pitch and self.pitch < self.height * self.line_words:
            raise ValueError(f"planes of {self.height * self.line_words} addresses overlap at a pitch of {self.pitch}")

    @property
    def bits(self) -> int:
        """Bits of a value."""
        return FORMATS[self.format].width

    @property
    def word_channels(self) -> int:
        """Channels in a word."""
        return 8 * self.m // self.bits

    @property
    def channel_bytes(self) -> int:
        """Bytes that the channels of a pixel occupy."""
        return -(-self.channels * self.bits // 8)

    @property
    def words(self) -> int:
        """Words in a pixel."""
        return -(-(self.first_byte + self.channel_bytes) // self.m)

    @property
    def phase_words(self) -> int:
        """Addresses that one phase of one row of one word occupies."""
        return -(-self.phase_width(0) // self.p)

    @property
    def line_words(self) -> int:
        """Addresses between two rows of a plane: what one row of one word occupies."""
        return self.phases * self.phase_words

    @property
    def plane_words(self) -> int:
        """Addresses between two planes."""
        return self.pitch or self.height * self.line_words

    @property
    def size(self) -> int:
        """Addresses from the map's first to its last, in every bank; gaps between planes included."""
        return (self.words - 1) * self.plane_words + self.height * self.line_words

    def part(self, channel: int, channels: int) -> MapLayout:
        """The layout of ``channels`` channels of this map from ``channel`` on."""
        if channel * self.bits % 8:
            raise ValueError(f"channel {channel} of {self} does not begin with a byte")
        word, byte = divmod(self.first_byte + channel * self.bits // 8, self.m)
        return replace(
            self, channels=channels, base=self.base + word * self.plane_words, pitch=self.plane_words, first_byte=byte
        )

    def phase_width(self, phase: int) -> int:
        """Columns in a phase."""
        return -(-(self.width - phase) // self.phases)

    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        y, w, x = np.meshgrid(
            np.arange(self.height), np.arange(self.words), np.arange(self.width), indexing="ij"
        )  # fmt: skip
        q = x // self.phases
        address = w * self.plane_words + y * self.line_words + (x % self.phases) * self.phase_words + q // self.p
        return address, q % self.p

    def pack(self, values: NDArray[np.int8]) -> NDArray[np.uint8]:
        """Bytes of the map, shape (size, p, m), from values of shape (height, width, channels); gaps are 0.

        Raises ValueError for another shape, and for values that the format does not have.
        """
        if values.shape != (self.height, self.width, self.channels) or values.dtype != np.int8:
            raise ValueError(f"a map of {self} cannot be packed from {values.dtype} {values.shape}")
        padded = np.zeros((self.height, self.width, self.words * self.m), np.uint8)
        packed = FORMATS[self.format].pack(values)
        padded[:, :, self.first_byte : self.first_byte + self.channel_bytes] = packed
        image = np.zeros((self.size, self.p, self.m), np.uint8)
        address, bank = self._places()
        image[address, bank] = padded.reshape(self.height, self.width, self.words, self.m).transpose(0, 2, 1, 3)
        return image

    def unpack(self, image: NDArray[np.uint8]) -> NDArray[np.int8]:
        """The inverse of :meth:`pack`."""
        if image.shape != (self.size, self.p, self.m):
            raise ValueError(f"an image of {image.shape} does not hold a map of {self}")
        address, bank = self._places()
        words = image[address, bank].transpose(0, 2, 1, 3)
        data = words.reshape(self.height, self.width, self.words * self.m)
        values = FORMATS[self.format].unpack(data[:, :, self.first_byte : self.first_byte + self.channel_bytes])
        return np.ascontiguousarray(values[:, :, : self.channels])
