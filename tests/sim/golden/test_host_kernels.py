"""The host's integer kernels against TensorFlow Lite Micro and against real arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from macaw.sim.golden.host_kernels import logistic_int8, softmax_int8

EVERY = np.arange(-128, 128).astype(np.int8)[None]
SCALES = [float(np.float32(scale)) for scale in (1e-4, 0.0037, 0.05, 1 / 16, 0.17, 1.0, 7.3)]


def interpret(writer: Any, inputs: Any, kind: str, scale: float, zero_point: int, **options: Any) -> Any:
    runtime = pytest.importorskip("tflite_micro").runtime
    x = writer.tensor((1, inputs.shape[-1]), scale=scale, zero_point=zero_point)
    y = writer.tensor((1, inputs.shape[-1]), scale=1 / 256, zero_point=-128)
    writer.operator(kind, [x], [y], **options)
    interpreter = runtime.Interpreter.from_bytes(writer.content(), arena_size=1 << 20)
    results = []
    for values in inputs:
        interpreter.set_input(values[None], 0)
        interpreter.invoke()
        results.append(interpreter.get_output(0)[0])
    return np.stack(results)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("zero_point", [-128, -5, 0, 127])
def test_logistic_equals_the_interpreter(tflite_writer: Any, scale: float, zero_point: int) -> None:
    wanted = interpret(tflite_writer, EVERY, "LOGISTIC", scale, zero_point)
    np.testing.assert_array_equal(logistic_int8(EVERY, scale, zero_point), wanted)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("classes", [1, 2, 10, 100])
def test_softmax_equals_the_interpreter(tflite_writer: Any, scale: float, classes: int) -> None:
    random = np.random.default_rng(classes)
    inputs = np.clip(random.normal(0, [[1], [10], [60]] * 8, (24, classes)), -128, 127).astype(np.int8)
    inputs[0] = 127
    inputs[1, 0] = -128
    beta = float(np.float32(0.7))
    wanted = interpret(tflite_writer, inputs, "SOFTMAX", scale, 9, options="SoftmaxOptions", Beta=beta)
    np.testing.assert_array_equal(softmax_int8(inputs, scale * beta), wanted)


def test_they_are_near_real_arithmetic() -> None:
    real = 1 / (1 + np.exp(-0.05 * (EVERY.astype(float) - 3)))
    assert np.abs((logistic_int8(EVERY, 0.05, 3) + 128.0) / 256 - np.minimum(real, 255 / 256)).max() < 0.6 / 256
    powers = np.exp(0.05 * EVERY[:, ::9].astype(float))
    found = (softmax_int8(EVERY[:, ::9], 0.05) + 128.0) / 256
    assert np.abs(found - powers / powers.sum()).max() < 0.6 / 256


def test_many_equal_classes_vanish() -> None:
    """Where the interpreter gives up: each of 4,096 classes has less than half an output step."""
    assert (softmax_int8(np.zeros((2, 4096), np.int8), 0.1) == -128).all()


def test_scale_below_the_kernel() -> None:
    with pytest.raises(ValueError, match="above 2"):
        softmax_int8(EVERY, 1e-9)
