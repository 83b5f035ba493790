# amaranth: UnusedElaboratable=no

"""Tests of macaw.hw.compute.bit_plane_dot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from macaw.hw.compute.bit_plane_dot import BitPlaneDot
from macaw.hw.primitives.target import Family
from macaw.sim.bench.gallery import run_gallery

_SHAPES = [
    # count, activation width, weight width, signed activations, signed weights, pitch
    (1, 8, 1, True, True, 1),
    (1, 8, 2, True, True, 4),
    (1, 4, 4, True, True, 4),
    (2, 2, 2, False, True, 2),
    (2, 3, 1, False, True, 1),
    (2, 2, 1, True, False, 1),
    (1, 3, 4, False, False, 4),
    (5, 4, 3, False, True, 3),
    (8, 2, 1, False, True, 1),
    (6, 4, 2, True, True, 2),
]


@pytest.mark.parametrize("family", [Family.GENERIC, Family.ECP5])
def test_bench(tmp_path: Path, family: Family) -> None:
    units = []
    for count, activation, weight, signed_activations, signed_weights, pitch in _SHAPES:
        told: dict[str, Any] = {
            "count": count,
            "activation_width": activation,
            "weight_width": weight,
            "weight_pitch": pitch,
        }
        told |= {"signed_activations": signed_activations, "signed_weights": signed_weights}
        dot = BitPlaneDot(**told)
        units.append((dot, {**told, "latency": dot.latency}))
    assert run_gallery("bit_plane_dot", units, tmp_path, family=family) == 2


def test_rules() -> None:
    with pytest.raises(ValueError, match="at least one product, not 0"):
        BitPlaneDot(0, 2, 2)
    with pytest.raises(ValueError, match="^An activation has 1 to 8 bits, not 9$"):
        BitPlaneDot(1, 9, 2)
    with pytest.raises(ValueError, match="^A weight has 1 to 8 bits, not 0$"):
        BitPlaneDot(1, 2, 0)
    with pytest.raises(ValueError, match="one signed bit are binary"):
        BitPlaneDot(1, 1, 2)
    with pytest.raises(ValueError, match="Weights of 4 bits do not fit 3 bits"):
        BitPlaneDot(1, 4, 4, weight_pitch=3)
