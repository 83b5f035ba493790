"""The float32 operators around the integer network: what the host computes, and what thresholds are found from.

Each :class:`~.graph.HostStep` with an operand is one operator of the model, computed as ONNX Runtime's kernel of that operator
alone does, with every operation rounded to float32.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .graph import HostStep

__all__ = ["FLOAT_STEPS", "ROUNDINGS", "apply_step", "direction"]

Float32Array = NDArray[np.float32]

FLOAT_STEPS = frozenset(
    {
        "add", "subtract", "subtract_from", "multiply", "divide", "maximum", "minimum", "batch_normalization", "matmul",
        "quantize", "bipolar", "reshape",
    }
)  # fmt: skip
"""Kinds that :func:`apply_step` computes."""

ROUNDINGS: dict[str, Callable[[Float32Array], Float32Array]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "DOWN": np.trunc,
    "ROUND_TO_ZERO": np.trunc,
    "UP": lambda x: np.copysign(np.ceil(np.abs(x)), x),
    "HALF_UP": lambda x: np.copysign(np.floor(np.abs(x) + np.float32(0.5)), x),
    "HALF_DOWN": lambda x: np.copysign(np.ceil(np.abs(x) - np.float32(0.5)), x),
}
"""QONNX's rounding modes: ROUND takes halves to even; UP and DOWN are away from zero and towards it."""


def apply_step(step: HostStep, values: Float32Array) -> Float32Array:
    """One operator on a batch of float32 values; the operand broadcasts against them."""
    operand, kind = step.operand, step.kind
    result: Float32Array
    if kind == "add":
        result = values + operand
    elif kind == "subtract":
        result = values - operand
    elif kind == "subtract_from":
        result = operand - values
    elif kind == "multiply":
        result = values * operand
    elif kind == "divide":
        result = values / operand
    elif kind == "maximum":
        result = np.maximum(values, operand)
    elif kind == "minimum":
        result = np.minimum(values, operand)
    elif kind == "batch_normalization":
        result = values * operand[0] + operand[1]
    elif kind == "matmul":
        result = (values.astype(np.float64) @ operand.astype(np.float64)).astype(np.float32)
    elif kind == "quantize":
        scale, zero = np.float32(step.scale), np.float32(step.zero_point)
        steps = np.clip(values / scale + zero, np.float32(operand[0]), np.float32(operand[1]))
        result = (ROUNDINGS[step.rounding](steps) - zero) * scale
    elif kind == "bipolar":
        result = np.where(values >= 0, np.float32(step.scale), -np.float32(step.scale))
    elif kind == "reshape":
        result = values.reshape(len(values), *(int(extent) for extent in operand[1:]))
    else:
        raise ValueError(f"unknown host step {kind!r}")
    return result


def direction(step: HostStep) -> NDArray[np.int64]:
    """1 where the operator's result never falls as its input rises, -1 where it never rises, element by element of the
    operand."""
    if step.kind == "subtract_from":
        return np.array(-1)
    if step.kind in ("multiply", "divide"):
        return np.where(step.operand < 0, -1, 1)
    if step.kind == "batch_normalization":
        return np.where(step.operand[0] < 0, -1, 1)
    return np.array(1)
