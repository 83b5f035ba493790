"""Golden model of the compressor tree."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["compressor_tree"]


def compressor_tree(
    operands: int, terms: Sequence[tuple[int, Sequence[int], int]], constant: int, width: int
) -> int:  # fmt: skip
    """``(constant + sum(sign * 2**column * values[k])) mod 2**width`` over terms (column, values, sign).

    k is the number that the term's bits of ``operands`` make; a term of ``2**i`` values has the next i bits.
    """
    total = constant
    for column, values, sign in terms:
        inputs = len(values).bit_length() - 1
        total += sign * (values[operands & len(values) - 1] << column)
        operands >>= inputs
    return total % (1 << width)
