"""Golden model of binary dot products that share the term of their activations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["pair_term", "paired_dot"]


def _bits_or_numbers(data: NDArray[np.uint8], spread: bool) -> NDArray[np.int64]:
    """Sum of the bytes as numbers, or of their bits."""
    return data.sum(axis=-1, dtype=np.int64) if spread else np.unpackbits(data, axis=-1).sum(axis=-1, dtype=np.int64)


def _differences(data: NDArray[np.uint8], spread: bool) -> NDArray[np.int64]:
    """The same of the XOR of each even byte and the odd one behind it."""
    return _bits_or_numbers(data[..., ::2] ^ data[..., 1::2], spread)


def pair_term(activations: NDArray[np.uint8], spread: bool) -> NDArray[np.int64]:
    """What the dot products of these activations have in common."""
    return _differences(activations, spread) - (192 * activations.shape[-1] if spread else 0)


def paired_dot(activations: NDArray[np.uint8], weights: NDArray[np.uint8], spread: bool) -> NDArray[np.int64]:
    """Equal bits, with ``spread`` each at the value of its place in its byte, minus 192 a byte; plus the same of the
    differences between neighbouring weight bytes."""
    equal = _bits_or_numbers(~(activations ^ weights), spread) - (192 * activations.shape[-1] if spread else 0)
    return equal + _differences(weights, spread)
