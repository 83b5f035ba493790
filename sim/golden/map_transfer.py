"""Golden model of the map transfer: what rows of a map are in the external memory, and by which bursts they get there."""

from __future__ import annotations

from collections.abc import Mapping

from .crc32 import crc32

__all__ = ["transfer_bursts", "transfer_words"]

_LONGEST = 64


def transfer_words(
    buffer: Mapping[tuple[int, int], list[int]], first: int, plane_step: int, planes: int, rows: int, line: int, banks: int,
) -> list[list[int]]:  # fmt: skip
    """The 32-bit words of each plane. ``buffer``: segments by address, modulo its size, and bank. A row is ``line`` addresses of all
    banks, then the CRC-32 of the bytes of its words, least significant first."""
    depth = max(address for address, _ in buffer) + 1
    found = []
    for plane in range(planes):
        words: list[int] = []
        for row in range(rows):
            begin = first + plane * plane_step + row * line
            places = [((begin + address) % depth, bank) for address in range(line) for bank in range(banks)]
            content = [word for place in places for word in buffer[place]]
            words += [*content, crc32(b"".join(word.to_bytes(4, "little") for word in content))]
        found.append(words)
    return found


def transfer_bursts(first: int, step: int, words: int, planes: int) -> list[tuple[int, int]]:
    """Address and length of each burst: as long as can be, but no more than 64 words and across no multiple of 64."""
    found: list[tuple[int, int]] = []
    for plane in range(planes):
        for address in range(first + plane * step, first + plane * step + words):
            if found and address % _LONGEST and sum(found[-1]) == address and address != first + plane * step:
                found[-1] = found[-1][0], found[-1][1] + 1
            else:
                found.append((address, 1))
    return found
