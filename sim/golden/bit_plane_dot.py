"""Golden model of the dot product of narrow integers."""

from __future__ import annotations

__all__ = ["bit_plane_dot"]


def bit_plane_dot(
    activations: int, weights: int, *, count: int, activation_width: int, weight_width: int,
    signed_activations: bool, signed_weights: bool, weight_pitch: int,
) -> int:  # fmt: skip
    """Sum of the products of ``count`` values in two words; signed weights of one bit are -1 for 0 and 1 for 1."""
    total = 0
    for k in range(count):
        a = activations >> k * activation_width & (1 << activation_width) - 1
        w = weights >> k * weight_pitch & (1 << weight_width) - 1
        if signed_activations and a >> activation_width - 1:
            a -= 1 << activation_width
        if signed_weights and weight_width == 1:
            w = 1 if w else -1
        elif signed_weights and w >> weight_width - 1:
            w -= 1 << weight_width
        total += a * w
    return total
