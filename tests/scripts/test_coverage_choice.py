"""Which engines coverage simulates: those that add most for their cost, with memories that just hold their networks, then directed ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from macaw.hw.config import EngineConfig
from macaw.scripts import coverage_choice
from macaw.scripts.coverage_choice import EVERY, Candidate, candidate, choose_engines, directed
from macaw.sim.trial import random_trials

BINS = sorted(EVERY)


def _candidate(seed: int, *hits: int, size: int = 1) -> Candidate:
    trial = random_trials(1, 1, config=EngineConfig(p=size, m=size, n=size))[0]
    return Candidate(kind="bytes", seed=seed, trials=(trial,), hits=frozenset(BINS[number] for number in hits))


def test_engines_that_add_most_for_their_cost() -> None:
    large, small = _candidate(1, 0, 1, 2, 3, size=8), _candidate(2, 0, 1, 2)
    nothing, last = _candidate(3, 0, 1), _candidate(4, 3)
    chosen = choose_engines([large, small, nothing, last], EVERY, 9)
    assert [item.seed for item in chosen] == [2, 4]
    assert len(choose_engines([large, small, last], EVERY, 1)) == 1


def test_memories_just_hold_the_networks() -> None:
    """With a word less, an engine would not hold them."""
    found = candidate("bytes", 3, 3)
    config = found.trials[0].config
    plans = [trial.plan for trial in found.trials]
    assert config.feature_depth == max(plan.feature_words for plan in plans)
    assert config.weight_depth == max(plan.weight_words(config.parameter_words) for plan in plans)
    assert all(trial.config == config for trial in found.trials)
    assert max(plan.extent for plan in plans).bit_length() == config.extent_width


def test_directed_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hit what they were drawn for, on an engine that just holds them; their score is kept; nothing wanted, nothing drawn."""
    wanted = frozenset(hit for hit in EVERY if hit[0] == "layer")
    found = directed("only bytes", wanted, 8, tmp_path)
    assert found is not None and found.name == "directed-only-bytes-1" and found.hits & wanted
    config = found.trials[0].config
    assert (config.p, config.m, config.n) == (4, 3, 3)
    assert config.feature_depth == max(trial.plan.feature_words for trial in found.trials)
    monkeypatch.setattr(coverage_choice, "requantize", None)  # is not needed again
    assert directed("only bytes", wanted, 8, tmp_path) is not None
    assert directed("only bytes", frozenset(), 8) is None
