"""Directed networks: each hits a wanted bin that none before it hits, the seed repeats them, and rare bins are found soon."""

from __future__ import annotations

import pytest

from macaw.compiler.requantize import requantize
from macaw.hw.formats import FORMATS
from macaw.hw.products import PRODUCTS
from macaw.sim.directed_trials import DIRECTED_ENGINES, directed_trials
from macaw.sim.functional_coverage import POINTS, covered
from macaw.sim.network_recipe import recipe_of

EVERY = frozenset((point.name, name) for point in POINTS for name in point.bins)


@pytest.mark.parametrize("name", DIRECTED_ENGINES)
def test_each_adds_a_wanted_bin(name: str) -> None:
    """Which it hits with its parameters, too; and the engine can run it."""
    config = DIRECTED_ENGINES[name]
    wanted = frozenset(hit for hit in EVERY if hit[0] in ("formats", "work in sequence"))
    found = list(directed_trials(1, config, wanted, 5))
    assert found
    left = set(wanted)
    for trial in found:
        assert trial.legal and trial.config == config
        hits = covered(config, trial.plan, requantize(trial.plan.graph, config))
        assert hits <= EVERY and hits & left
        left -= hits


def test_the_seed_repeats_them() -> None:
    config = DIRECTED_ENGINES["all formats"]
    first, again, other = (
        [(recipe_of(trial.graph).to_dict(), trial.values.tolist()) for trial in directed_trials(seed, config, EVERY, 6)]
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_draws_aim_at_bins() -> None:
    """A padded pool of int4 maps is one of some hundred plain networks; here each draw is of int4."""
    config = DIRECTED_ENGINES["all formats"]
    aim = ("arithmetic x stride x padding x tail", "max pool of int4, strided, padded, tail")
    (trial,) = directed_trials(1, config, {aim}, 60)
    assert aim in covered(config, trial.plan, {})
    assert {tensor.format for tensor in trial.graph.tensors.values()} == {"int4"}


@pytest.mark.parametrize("name", ["addition then copy", "copy then addition"])
def test_copies_beside_additions(name: str) -> None:
    """Plain random networks have none: a map is concatenated with itself and added."""
    aim = ("work in sequence", name)
    (trial,) = directed_trials(1, DIRECTED_ENGINES["only bytes"], {aim}, 60)
    assert aim in covered(trial.config, trial.plan, {})


def test_nothing_to_aim_at() -> None:
    """Bins of engines, of formats that the engine has not, and none."""
    config = DIRECTED_ENGINES["only bytes"]
    for wanted in (set(), {("engine", "p, 1")}, {("formats", "int4xint4, int4")}):
        assert not list(directed_trials(1, config, wanted, 100))


def test_all_formats_are_known() -> None:
    config = DIRECTED_ENGINES["all formats"]
    assert set(config.products) == set(PRODUCTS) and set(config.output_formats) == set(FORMATS) and config.wrapping
