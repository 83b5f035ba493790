"""Golden model of the word packer."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["word_packer"]


def word_packer(lanes: Sequence[int], last: int, offset: int, m: int, width: int = 8) -> list[dict[int, int]]:
    """The bytes of each word of m bytes, by place: byte k of the lanes' values, of ``width`` bits each one behind the other,
    goes to byte ``(offset + k) mod m`` of word ``(offset + k) div m``, up to byte ``last``."""
    values = sum((lane & (1 << width) - 1) << width * number for number, lane in enumerate(lanes))
    group = values.to_bytes(len(lanes) * width // 8, "little")
    words: list[dict[int, int]] = [{} for _ in range((offset + len(group) - 1) // m + 1)]
    for number in range(last + 1):
        word, byte = divmod(offset + number, m)
        words[word][byte] = group[number]
    return words
