"""The judge of damaged files can fail."""

from __future__ import annotations

import time
from functools import partial

import pytest

from macaw.hw.errors import CheckFailed, UserError
from macaw.sim.hostile_input import little_memory, refusal


def refuse(text: str) -> None:
    raise UserError(text)


def test_refusals() -> None:
    assert refusal(lambda: 1, 5.0) == ""
    assert refusal(lambda: refuse("The file is cut."), 5.0) == "The file is cut."
    with pytest.raises(ZeroDivisionError):
        refusal(lambda: 1 / 0, 5.0)
    for nothing in ("", " \n", "Traceback (most recent call last)"):
        with pytest.raises(CheckFailed, match="says nothing"):
            refusal(partial(refuse, nothing), 5.0)
    with pytest.raises(CheckFailed, match="instead of 0.01 s at most"):
        refusal(lambda: time.sleep(0.05), 0.01)


def test_memory() -> None:
    with little_memory(200):
        pass
    with pytest.raises(CheckFailed, match="were allowed"), little_memory(-1):
        pass
