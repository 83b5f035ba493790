"""Golden model of the word packer."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["word_packer"]


def word_packer(lanes: Sequence[int], last_lane: int, offset: int, m: int) -> list[dict[int, int]]:
    """The bytes of each word of m bytes, by place: lane k goes to byte ``(offset + k) mod m`` of word ``(offset + k) div m``."""
    words: list[dict[int, int]] = [{} for _ in range((offset + len(lanes) - 1) // m + 1)]
    for lane in range(last_lane + 1):
        word, byte = divmod(offset + lane, m)
        words[word][byte] = lanes[lane]
    return words
