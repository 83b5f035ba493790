"""Which networks on which engines coverage simulates: scored without simulation, chosen for the bins that they hit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..compiler.requantize import requantize, required_accumulator_width
from ..hw.config import EngineConfig
from ..hw.control.descriptor import descriptor_words
from ..sim.directed_trials import DIRECTED_ENGINES, directed_trials
from ..sim.functional_coverage import POINTS, covered
from ..sim.network_recipe import recipe_of
from ..sim.trial import Trial, random_packed_trials, random_trials

__all__ = ["EVERY", "KINDS", "Candidate", "Hits", "candidate", "choose_engines", "directed"]

Hits = frozenset[tuple[str, str]]

KINDS: Mapping[str, Callable[[int, int], list[Trial]]] = {
    "bytes": lambda seed, networks: random_trials(seed, networks, largest=4),
    "few bits": lambda seed, networks: random_packed_trials(seed, networks, largest=2),
}
"""What draws the networks of a seed, so many on one engine."""

EVERY = frozenset((point.name, name) for point in POINTS for name in point.bins)
"""All bins."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The networks of one seed on one engine, whose memories and counters just hold them, and the bins that they hit."""

    kind: str
    seed: int
    trials: tuple[Trial, ...]
    hits: Hits

    @property
    def name(self) -> str:
        """As a file's name."""
        return f"{self.kind.replace(' ', '-')}-{self.seed}"

    @property
    def cost(self) -> int:
        """About proportional to the time that the simulation takes to compile."""
        config = self.trials[0].config
        return 40 + config.p * config.n * (config.m + 3) * len(config.products) + 15 * config.n


def _fitted(trials: Sequence[Trial]) -> EngineConfig:
    """The engine with memories, counters and accumulators that just hold all of the networks, as a compiled engine has."""
    config, plans = trials[0].config, [trial.plan for trial in trials]
    config = replace(
        config,
        feature_depth=max(2, *(plan.feature_words for plan in plans)),
        weight_depth=max(2, *(plan.weight_words(config.parameter_words) for plan in plans)),
        tap_depth=max(2, *(plan.tap_count for plan in plans)),
        extent_width=max(3, *(plan.extent.bit_length() for plan in plans)),
        group_width=max(1, *((plan.most_groups - 1).bit_length() for plan in plans)),
        accumulator_width=max(12, *(required_accumulator_width(plan.graph) for plan in plans)),
    )
    # The widths decide how long parameters and descriptors are.
    config = replace(config, weight_depth=max(2, *(plan.weight_words(config.parameter_words) for plan in plans)))
    descriptors = max(plan.descriptors for plan in plans)
    return replace(config, program_depth=config.header_words + (descriptors + 1) * descriptor_words(config))


def _scored(kind: str, seed: int, trials: Sequence[Trial], work: Path | None) -> Candidate:
    """The trials on the engine that just holds them; ``work``: a folder where scores are kept."""
    config = _fitted(trials)
    fitted = tuple(replace(trial, config=config) for trial in trials)
    recipes = [recipe_of(trial.graph).to_dict() for trial in trials]
    text = json.dumps([config.to_dict(), recipes, [trial.values.tolist() for trial in trials]])
    key = hashlib.sha256(text.encode()).hexdigest()
    kept = work / f"{kind.replace(' ', '-')}-{seed}.score.json" if work else None
    if kept and kept.is_file() and (found := json.loads(kept.read_text()))["key"] == key:
        return Candidate(kind=kind, seed=seed, trials=fitted, hits=frozenset((point, name) for point, name in found["hits"]))
    hits: Hits = frozenset()
    for trial in fitted:
        plan = trial.plan
        hits |= covered(config, plan, requantize(plan.graph, config))
    if kept:
        kept.write_text(json.dumps({"key": key, "hits": sorted(hits)}) + "\n")
    return Candidate(kind=kind, seed=seed, trials=fitted, hits=hits)


def candidate(kind: str, seed: int, networks: int, work: Path | None = None) -> Candidate:
    """The networks of a seed, scored; ``work``: a folder where scores are kept."""
    return _scored(kind, seed, KINDS[kind](seed, networks), work)


def directed(name: str, wanted: Hits, draws: int, work: Path | None = None) -> Candidate | None:
    """Of ``draws`` networks on one of the directed engines those that hit wanted bins (sim/directed_trials.py); None: none does."""
    trials = list(directed_trials(1, DIRECTED_ENGINES[name], wanted, draws))
    return _scored(f"directed {name}", 1, trials, work) if trials else None


def choose_engines(candidates: Sequence[Candidate], wanted: Hits, most: int) -> list[Candidate]:
    """At most ``most`` candidates, each the one that adds the most bins for its cost; fewer if no more add any."""
    chosen: list[Candidate] = []
    left, rest = set(wanted), list(candidates)
    while rest and len(chosen) < most:
        best = max(rest, key=lambda item: len(item.hits & left) / item.cost)
        if not best.hits & left:
            break
        chosen.append(best)
        rest.remove(best)
        left -= best.hits
    return chosen
