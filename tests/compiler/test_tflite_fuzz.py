"""Damaged and absurd TensorFlow Lite models: they import or are refused in words, quickly and in little memory. Fixed seeds."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from macaw.compiler.tflite_import import import_tflite
from macaw.sim.hostile_input import little_memory, refusal

SECONDS = 8.0
"""That one import may take on a busy machine."""

MEBIBYTES = 1500
"""By which the peak of the memory may grow in a test."""

WINDOW = {"Padding": 0, "StrideH": 1, "StrideW": 1}
DILATED = {**WINDOW, "DilationHFactor": 1, "DilationWFactor": 1}
POOL = {"Padding": 1, "StrideH": 2, "StrideW": 2, "FilterHeight": 2, "FilterWidth": 2}


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with little_memory(MEBIBYTES):
        yield


def outcome(path: Path) -> str:
    """The refusal of a file, or "" if it imports. Everything but UserError fails the test."""
    return refusal(lambda: import_tflite(path), SECONDS)


def most_operators(writer: Any) -> None:
    """A residual network with most operators."""
    generator = np.random.default_rng(1)

    def weights(*shape: int, axis: int = 0) -> int:
        array = generator.integers(-64, 65, shape).astype(np.int8)
        return int(writer.constant(array, np.full(shape[axis], 0.01), axis=axis))

    def tensor(*shape: int, scale: float = 0.1, zero_point: int = -4) -> int:
        return int(writer.tensor(shape, scale=scale, zero_point=zero_point))

    x = tensor(1, 8, 6, 4)
    padded = tensor(1, 10, 8, 4)
    writer.operator("PAD", [x, writer.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))], [padded], "PadOptions")
    a, b = tensor(1, 8, 6, 4, scale=0.2), tensor(1, 8, 6, 4, scale=0.3)
    bias = writer.constant(np.arange(4, dtype=np.int32))
    writer.operator("CONV_2D", [padded, weights(4, 3, 3, 4), bias], [a], "Conv2DOptions", **{**DILATED, "Padding": 1})
    writer.operator(
        "DEPTHWISE_CONV_2D", [a, weights(1, 3, 3, 4, axis=3), bias], [b], "DepthwiseConv2DOptions", **DILATED, DepthMultiplier=1
    )
    total = tensor(1, 8, 6, 4, scale=0.4)
    writer.operator("ADD", [a, b], [total], "AddOptions")
    pooled = tensor(1, 4, 3, 4, scale=0.4)
    writer.operator("MAX_POOL_2D", [total], [pooled], "Pool2DOptions", **POOL)
    mean = tensor(1, 4, scale=0.4)
    writer.operator("MEAN", [pooled, writer.constant(np.array([1, 2], np.int32))], [mean], "ReducerOptions", KeepDims=False)
    y = tensor(1, 5, scale=0.5)
    writer.operator(
        "FULLY_CONNECTED", [mean, weights(5, 4), writer.constant(np.arange(5, dtype=np.int32))], [y], "FullyConnectedOptions"
    )
    probabilities = tensor(1, 5, scale=1 / 256, zero_point=-128)
    writer.operator("SOFTMAX", [y], [probabilities], "SoftmaxOptions", Beta=1.0)


EXTENTS = (-(2**31), -1, 0, 1, 2, 3, 7, 1000, 2**20, 2**31 - 1)
FLOATS = (0.0, -1.0, 1e-45, 1e38, float("nan"), float("inf"), 0.05)


def _change(dice: random.Random, writer: Any) -> None:
    tensor, operator = dice.choice(writer.tensors), dice.choice(writer.operators)
    numbers = [*range(len(writer.tensors)), -1, 1000, 2**31 - 1]
    action = dice.randrange(9)
    if action == 0:
        tensor["shape"] = [dice.choice(EXTENTS) for _ in range(dice.randrange(6))]
    elif action == 1 and tensor["shape"]:
        tensor["shape"] = list(tensor["shape"])
        tensor["shape"][dice.randrange(len(tensor["shape"]))] = dice.choice(EXTENTS)
    elif action == 2 and tensor["scales"] is not None:
        count = dice.choice((0, 1, 2, len(tensor["scales"])))
        tensor["scales"] = np.array([dice.choice(FLOATS) for _ in range(count)], np.float32)
        tensor["zeros"] = np.array([dice.choice((0, 3, -200, 2**62)) for _ in range(count)], np.int64)
        tensor["axis"] = dice.choice((tensor["axis"], 0, 7, -1))
    elif action == 3:
        tensor["kind"] = dice.choice(("float32", "int16", "int32", "int64", "int8", "uint8"))
    elif action == 4 and tensor["data"]:
        size = dice.choice((0, 1, len(tensor["data"]) - 1, len(tensor["data"])))
        tensor["data"] = dice.randbytes(size)
    elif action == 5 and operator["fields"]:
        name = dice.choice(list(operator["fields"]))
        old = operator["fields"][name]
        operator["fields"][name] = not old if isinstance(old, bool) else dice.choice((0, 1, 2, 3, 100, 127))
    elif action == 6 and {"StrideH", "FilterHeight", "DilationHFactor"} & operator["fields"].keys():
        name = dice.choice([name for name in operator["fields"] if name != "Padding"])
        operator["fields"][name] = dice.choice(EXTENTS)
    elif action == 7:
        words = operator[dice.choice(("inputs", "outputs"))]
        words[dice.randrange(len(words))] = dice.choice(numbers)
    elif len(writer.operators) > 1:
        writer.operators.remove(operator)


@pytest.mark.parametrize("seed", range(2))
def test_structure(tflite_writer: Any, seed: int) -> None:
    """Shapes, quantizations, types, constants, windows and operands exchanged; operators removed."""
    most_operators(tflite_writer)
    assert outcome(tflite_writer.save()) == ""
    good = copy.deepcopy((tflite_writer.tensors, tflite_writer.operators))
    dice, refused = random.Random(seed), 0
    messages: set[str] = set()
    for _ in range(150):
        tflite_writer.tensors, tflite_writer.operators = copy.deepcopy(good)
        for _ in range(dice.randrange(1, 3)):
            _change(dice, tflite_writer)
        message = outcome(tflite_writer.save())
        refused += message != ""
        messages.update(line.partition(": ")[2] for line in message.splitlines())
    assert refused > 75 and len(messages) > 25


@pytest.mark.parametrize("shape", [(1, 2**30, 2**30, 4), (1, 2**31 - 1, 1, 4), (1, 8, 6, 2**31 - 1), (1, 0, 6, 4), (1, -1, 6, 4)])
def test_absurd_maps(tflite_writer: Any, shape: tuple[int, ...]) -> None:
    """Declared alike in front of and behind a pool, with nothing stored."""
    x = tflite_writer.tensor(shape, scale=0.1)
    y = tflite_writer.tensor(shape, scale=0.1)
    tflite_writer.operator("MAX_POOL_2D", [x], [y], "Pool2DOptions", **{**POOL, "StrideH": 1, "StrideW": 1, "Padding": 0})
    assert outcome(tflite_writer.save()) != ""


@pytest.mark.parametrize("name", ["StrideH", "StrideW", "FilterHeight", "FilterWidth"])
@pytest.mark.parametrize("value", [0, -1, 2**30, 2**31 - 1])
def test_absurd_windows(tflite_writer: Any, name: str, value: int) -> None:
    x = tflite_writer.tensor((1, 8, 6, 4), scale=0.1)
    y = tflite_writer.tensor((1, 4, 3, 4), scale=0.1)
    tflite_writer.operator("MAX_POOL_2D", [x], [y], "Pool2DOptions", **{**POOL, name: value})
    assert outcome(tflite_writer.save()) != ""


def test_operators_in_a_circle(tflite_writer: Any) -> None:
    most_operators(tflite_writer)
    first, last = tflite_writer.operators[1], tflite_writer.operators[3]
    first["inputs"][0] = last["outputs"][0]
    assert outcome(tflite_writer.save()) != ""


def test_long_chain(tflite_writer: Any) -> None:
    x = tflite_writer.tensor((1, 4, 4, 1), scale=0.1)
    for _ in range(1500):
        y = tflite_writer.tensor((1, 4, 4, 1), scale=0.1)
        tflite_writer.operator("MAX_POOL_2D", [x], [y], "Pool2DOptions", **{**POOL, "StrideH": 1, "StrideW": 1, "Padding": 0})
        x = y
    assert outcome(tflite_writer.save()) == ""
