"""Tests of macaw.sim.cost.resources: multipliers and what takes their place, block by block."""

from __future__ import annotations

from dataclasses import replace

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.primitives.target import Family
from macaw.sim.cost.resources import engine_resources, needed_logic_dots


@pytest.mark.parametrize(
    ("p", "m", "n", "family", "multipliers", "needed"),
    [
        (4, 8, 4, Family.ECP5, 156, 0),  # 128 + 16
        (4, 8, 8, Family.ECP5, 156, 17),  # 32 requantizers' cells leave 15 dot products
        (4, 8, 8, Family.ECP5, 288, 0),
        (4, 8, 8, Family.ECP5, 287, 1),
        (4, 8, 8, Family.ECP5, 20, 32),  # not even the requantizers fit
        (2, 4, 4, Family.ICE40UP, 8, 4),
        (2, 3, 1, Family.ICE40UP, 8, 0),
        (2, 3, 1, Family.ICE40, 0, 2),
    ],
)
def test_needed_logic_dots(p: int, m: int, n: int, family: Family, multipliers: int, needed: int) -> None:
    config = EngineConfig(p=p, m=m, n=n, accumulator_width=20, multiplier_width=24)
    assert needed_logic_dots(config, family, multipliers) == needed
    used = engine_resources(replace(config, logic_dots=needed), family).multipliers
    assert used <= multipliers or needed == p * n
    if needed:
        assert engine_resources(replace(config, logic_dots=needed - 1), family).multipliers > multipliers


def test_a_logic_dot_takes_look_up_tables_for_multipliers() -> None:
    config = EngineConfig(p=4, m=8, n=8)
    before = engine_resources(config, Family.ECP5)
    after = engine_resources(replace(config, logic_dots=3), Family.ECP5)
    assert before.multipliers - after.multipliers == 3 * 8
    assert after.luts - before.luts == 3 * 8 * 84
    assert after.block_rams == before.block_rams


def test_adding_costs_a_register_stage_of_the_sums() -> None:
    config = EngineConfig(p=2, m=4, n=3, accumulator_width=28)
    without, with_adding = (engine_resources(replace(config, adding=adding), Family.GENERIC) for adding in (False, True))
    assert with_adding.luts - without.luts == (16 + 2 + 8) * 6
    assert (with_adding.multipliers, with_adding.block_rams) == (without.multipliers, without.block_rams)
