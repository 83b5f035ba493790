"""The message of a refused model."""

from __future__ import annotations

from macaw.compiler.problem import ModelError, Problem
from macaw.hw.errors import UserError


def test_message_has_one_line_for_each_problem() -> None:
    problems = [
        Problem("conv3", "ConvTranspose", "1x16x8x8 -> 1x16x16x16", "not supported yet", "leave it out"),
        Problem("", "", "", "it is not quantized", "quantize it"),
    ]
    error = ModelError(problems)
    assert isinstance(error, UserError)
    assert error.problems == tuple(problems)
    assert str(error) == (
        "node 'conv3' (ConvTranspose, 1x16x8x8 -> 1x16x16x16): not supported yet; leave it out\n"
        "model: it is not quantized; quantize it"
    )
