"""Batch normalization, activation and quantizer folded into thresholds: equal to the unfolded operators on every sum that a layer
can have, ties included, for one threshold (binary), two (ternary) and 2^k - 1 (k bits).

Twice over: against float64 where all numbers are small multiples of powers of two, so that real arithmetic is exact, and
against the model operator by operator for any numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from macaw.compiler.graph import Convolution
from macaw.compiler.onnx_import import import_onnx
from macaw.compiler.threshold_search import first_sums
from macaw.sim.golden_network import model_output, quantize_input

CHANNELS, PRODUCTS = 5, 4
EVERY_SUM = range(-8 * PRODUCTS, 7 * PRODUCTS + 1)
"""Sums of four numbers of -8..7 with weights 1."""

QUANTIZERS = {"binary": (1, 1, 0), "ternary": (2, 1, 1), "3 bits": (3, 1, 0), "4 bits, unsigned": (4, 0, 0), "5 bits": (5, 1, 1)}
"""Bits, signed, narrow."""

ROUNDINGS = {"ROUND": np.rint, "FLOOR": np.floor, "CEIL": np.ceil}

OPTIONS = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])

quantizers = {"kind": st.sampled_from(sorted(QUANTIZERS)), "rounding": st.sampled_from(sorted(ROUNDINGS)), "relu": st.booleans()}


def eighths(largest: int) -> st.SearchStrategy[list[float]]:
    return st.lists(st.integers(-8 * largest, 8 * largest).map(lambda k: k / 8), min_size=CHANNELS, max_size=CHANNELS)


def reals(largest: float) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(-largest, largest, width=32), min_size=CHANNELS, max_size=CHANNELS)


def every_input() -> NDArray[np.float32]:
    """One input of four numbers for each sum."""
    shares = [[(total + place) // PRODUCTS for place in range(PRODUCTS)] for total in EVERY_SUM]
    assert [sum(row) for row in shares] == list(EVERY_SUM)
    return np.array(shares, np.float32)


def layer(
    qonnx: Any, factor: list[float], mean: list[float], bias: list[float], kind: str, scale: float, rounding: str, relu: bool
) -> Any:
    """A model of one layer with every operator behind it, and a second one that lets the codes through."""
    qonnx.nodes.clear()
    qonnx.constants.clear()
    sums = qonnx.node("MatMul", "x", qonnx.constant(np.ones((PRODUCTS, CHANNELS), np.float32)))
    arrays = [np.array(numbers, np.float32) for numbers in (factor, bias, mean, [1.0] * CHANNELS)]
    value = qonnx.node("BatchNormalization", sums, *map(qonnx.constant, arrays), epsilon=0.0)
    value = qonnx.node("Relu", value) if relu else value
    bits, signed, narrow = QUANTIZERS[kind]
    if kind == "binary":
        value = qonnx.bipolar(value, scale)
    else:
        value = qonnx.quant(value, scale, bits, signed=signed, narrow=narrow, rounding_mode=rounding)
    last = qonnx.node("MatMul", value, qonnx.constant(np.eye(CHANNELS, dtype=np.float32)))
    path = qonnx.path((1, PRODUCTS), last)
    qonnx.annotate("x", "INT4")
    qonnx.write()
    return path


@OPTIONS
@given(factor=eighths(4), mean=eighths(30), bias=eighths(9), scale=st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0]), **quantizers)
def test_against_float64(
    qonnx: Any, factor: list[float], mean: list[float], bias: list[float], kind: str, scale: float, rounding: str, relu: bool
) -> None:
    path = layer(qonnx, factor, mean, bias, kind, scale, rounding, relu)
    graph = import_onnx(path)
    assert not graph.deviations
    network = qonnx.golden(graph)
    found = model_output(graph, network.run(quantize_input(graph, every_input()))[graph.output])
    real = (np.array(EVERY_SUM, np.float64)[:, None] - np.array(mean)) * np.array(factor) + np.array(bias)
    real = np.maximum(real, 0) if relu else real
    bits, signed, narrow = QUANTIZERS[kind]
    low = -(2 ** (bits - 1)) + narrow if signed else 0
    codes = ROUNDINGS[rounding](np.clip(real / scale, low, low + 2**bits - 1 - narrow))
    np.testing.assert_array_equal(found, scale * (np.where(real >= 0, 1, -1) if kind == "binary" else codes))


@OPTIONS
@given(factor=reals(3.0), mean=reals(30.0), bias=reals(9.0), scale=st.floats(0.125, 4, width=32), **quantizers)
def test_against_the_operators(
    qonnx: Any, factor: list[float], mean: list[float], bias: list[float], kind: str, scale: float, rounding: str, relu: bool
) -> None:
    path = layer(qonnx, factor, mean, bias, kind, scale, rounding, relu)
    graph = qonnx.equals_reference(path, every_input())
    first = graph.nodes[0]
    assert isinstance(first, Convolution)
    signs = np.where(np.array(factor, np.float32) < 0, -1, 1)
    np.testing.assert_array_equal(first.weights[:, 0, 0, :], np.repeat(signs[:, None], PRODUCTS, 1))  # the direction is in them


@settings(deadline=None)
@given(
    steps=st.lists(st.integers(-60, 60), min_size=1, max_size=9),
    low=st.integers(-70, 0),
    high=st.integers(0, 70),
)
def test_first_sums(steps: list[int], low: int, high: int) -> None:
    """Every threshold of a staircase, those outside of the range at its ends."""
    ascending = np.sort(np.array(steps, np.int64))
    levels = np.arange(1, len(steps) + 1)
    found = first_sums(
        lambda sums: (sums[..., None] >= ascending).sum(-1), levels, np.array([low, low]), np.array([high, high])
    )
    np.testing.assert_array_equal(found, np.tile(np.clip(ascending, low, high + 1), (2, 1)))


@pytest.mark.parametrize("kind", QUANTIZERS)
def test_ties_on_every_threshold(qonnx: Any, kind: str) -> None:
    """Sums that are halves of the quantizer's steps everywhere."""
    path = layer(qonnx, [0.5, -0.5, 1.5, -2.5, 1.0], [0, 1, 2, -3, 5], [0, 0.5, 0, 1, -0.5], kind, 1.0, "ROUND", False)
    qonnx.equals_reference(path, every_input())
