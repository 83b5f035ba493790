"""Levels of a serial line, 8 data bits, no parity, 1 stop bit: one number a bit time."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["decode_levels", "encode_byte"]


def encode_byte(value: int) -> list[int]:
    """The 10 levels of a byte: start bit, data from bit 0 on, stop bit."""
    return [0, *(value >> bit & 1 for bit in range(8)), 1]


def decode_levels(levels: Sequence[int], divisor: int) -> tuple[list[int], int]:
    """Bytes and the number of bad stop bits on a line given as one level a clock cycle, sampled in the middle of bits."""
    values, errors, at = [], 0, 0
    while at < len(levels):
        if levels[at]:
            at += 1
            continue
        middle = at + divisor // 2
        samples = [levels[middle + bit * divisor] for bit in range(10) if middle + bit * divisor < len(levels)]
        if len(samples) < 10:
            break
        if samples[0]:
            at = middle
            continue
        at = middle + 9 * divisor
        if samples[9]:
            values.append(sum(level << bit for bit, level in enumerate(samples[1:9])))
        else:
            errors += 1
            while at < len(levels) and not levels[at]:
                at += 1
    return values, errors
