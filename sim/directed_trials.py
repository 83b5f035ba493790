"""Directed random networks: drawn by bins of functional coverage that are still wanted, and kept if they hit any.

Small engines have bins that plain random networks seldom hit, as padded max pools of one narrow format or two layers in a row
whose formats do not go together by chance. Each draw aims at one wanted bin: only formats that the bin names are drawn.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np

from ..hw.config import EngineConfig
from ..hw.formats import FORMATS
from ..hw.products import PRODUCTS
from .functional_coverage import covered
from .random_network import random_graph
from .random_packed_network import random_packed_graph
from .trial import Trial, packed_trial_of, trial_of

__all__ = ["DIRECTED_ENGINES", "directed_trials"]

Hit = tuple[str, str]

_ROOMY = EngineConfig(
    p=1, m=1, n=1, feature_depth=16384, weight_depth=65536, program_depth=2048, tap_depth=512, extent_width=6, accumulator_width=26,
    multiplier_width=34, adding=True, part_pitch=1,
)  # fmt: skip

DIRECTED_ENGINES: Mapping[str, EngineConfig] = {
    "all formats": replace(
        _ROOMY, p=2, m=1, n=8, depth=2, shifts=(6, 12, 18, 24, 30, 36, 42), requantizer_digit=1, multiplier_latency=2,
        prefetch=False, products=tuple(PRODUCTS), output_formats=tuple(FORMATS), wrapping=True,
    ),
    "only bytes": replace(_ROOMY, p=4, m=3, n=3, depth=5, shifts=(12, 16, 20, 24, 28, 32, 36, 40)),
}  # fmt: skip
"""Small engines: one that knows all formats, and one whose p, m and n are not powers of two; with roomy memories."""


def _formats(name: str) -> tuple[str, ...]:
    """The formats that a bin names."""
    return tuple(sorted(set(re.findall("|".join(FORMATS), name)), key=tuple(FORMATS).index))


def _drawn(config: EngineConfig, aim: Hit, generator: np.random.Generator) -> Trial:
    """A network of the formats that the bin names; where it names none, of bytes or of all formats of the engine."""
    formats = _formats(aim[1])
    if not formats and generator.random() < 0.5:
        formats = config.output_formats
    if set(formats) <= {"int8"}:
        joining = config.part_pitch == 1
        # Copies are of bytes: an engine that knows nothing else is simulated in less time.
        doubling = config.adding and joining and config.output_formats == ("int8",) and "copy" in aim[1]
        graph = random_graph(
            generator, adding=config.adding, joining=joining, two_roundings=config.nudge > 0, doubling=doubling
        )
        return trial_of(config, graph, generator)
    sums = config.wrapping and bool(generator.random() < 0.2)
    joining = config.adding and formats != ("binary",) and bool(generator.random() < 0.3)
    graph = random_packed_graph(generator, formats=formats, sums=sums, joining=joining)
    return packed_trial_of(config, graph, generator, turned=bool(generator.random() < 0.3))


def directed_trials(seed: int, config: EngineConfig, wanted: Collection[Hit], draws: int) -> Iterator[Trial]:
    """Of up to ``draws`` networks on an engine those that hit a wanted bin which none before them hits. Rules of requantization,
    which are known when its parameters are certified, are not looked at."""
    generator = np.random.default_rng(seed)
    known, left = set(config.output_formats), set(wanted)
    for _ in range(draws):
        aims = sorted((point, name) for point, name in left if point != "engine" and known.issuperset(_formats(name)))
        if not aims:
            return
        trial = _drawn(config, aims[int(generator.integers(len(aims)))], generator)
        hits = covered(config, trial.plan, {}) if trial.legal else frozenset()
        if hits & left:
            left -= hits
            yield trial
