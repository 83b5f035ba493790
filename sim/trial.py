"""A trial: a network, an engine, an input and a plan, which is all that a run of the RTL against the golden model depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler.graph import Add, Concat, Graph, MaxPool
from ..compiler.input_folding import first_layer, fold_input, foldings
from ..compiler.network_plan import NetworkPlan, plan_network
from ..compiler.number_formats import choose_formats, engine_formats
from ..compiler.orientation import turn
from ..hw.config import EngineConfig
from ..hw.errors import UserError
from ..hw.formats import FORMATS
from .network_recipe import Recipe, grow, recipe_of
from .random_network import random_engine, random_graph
from .random_packed_network import random_packed_engine, random_packed_graph

__all__ = [
    "Trial",
    "load_trial",
    "packed_trial_of",
    "random_packed_trials",
    "random_trials",
    "save_trial",
    "trial_of",
]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is run, and how.

    Attributes
    ----------
    config : EngineConfig
    graph : Graph
        As grown: in the narrowest formats, not turned, not folded.
    values : NDArray[np.int8]
        The input, (1, height, width, channels).
    turned : bool
        Whether rows and columns are exchanged.
    folding : (rows, columns) or None
        Kernel positions of the first layer that become channels.
    in_place : bool
        Whether outputs may take the place of inputs.
    tile_rows : int
        Rows of a tile; 0: none.
    """

    config: EngineConfig
    graph: Graph
    values: NDArray[np.int8]
    turned: bool = False
    folding: tuple[int, int] | None = None
    in_place: bool = False
    tile_rows: int = 0

    @property
    def plain(self) -> Graph:
        """The network as it is, in formats that the engine stores."""
        return choose_formats(self.graph)

    @property
    def rewritten(self) -> Graph:
        """The network as the engine runs it. Raises ValueError if it cannot be folded so."""
        graph = turn(self.graph) if self.turned else self.graph
        return choose_formats(fold_input(graph, *self.folding) if self.folding else graph)

    @property
    def plan(self) -> NetworkPlan:
        """The rewritten network's plan for the engine. Raises ValueError and ModelError where there is none."""
        config = self.config
        return plan_network(self.rewritten, config.p, config.m, config.n, in_place=self.in_place, tile_rows=self.tile_rows)

    @property
    def legal(self) -> bool:
        """Whether the engine knows all that the network needs, and the input is one of the network's."""
        config, tensor = self.config, self.graph.tensors[self.graph.input]
        kinds = {type(node) for node in self.graph.nodes}
        needed = engine_formats(self.plain) | engine_formats(self.rewritten)
        return (
            set(needed.products) <= set(config.products)
            and set(needed.output_formats) <= set(config.output_formats)
            and needed.wrapping <= config.wrapping
            and (config.adding or Add not in kinds)
            and (config.pooling or MaxPool not in kinds)
            and (config.part_pitch == 1 or Concat not in kinds)
            and self.values.shape == (1, *tensor.shape)
            and bool(np.isin(self.values, FORMATS[tensor.format].members).all())
        )


def trial_of(config: EngineConfig, graph: Graph, generator: np.random.Generator) -> Trial:
    """A random input and way to run a network of bytes."""
    values = generator.integers(-128, 128, (1, *graph.tensors[graph.input].shape)).astype(np.int8)
    turned = bool(generator.random() < 0.3)
    given = turn(graph) if turned else graph
    choices, first = foldings(given, config.p, config.m, config.n), first_layer(given)
    folding = None
    if choices and generator.random() < 0.5:
        folding = choices[0].rows, choices[0].columns
    elif first is not None and generator.random() < 0.5:
        _, height, width, _ = first.weights.shape
        folding = int(generator.integers(1, height + 1)), int(generator.integers(1, width + 1))
    in_place = bool(generator.random() < 0.7)
    tile_rows = int(generator.integers(1, 5)) if in_place and generator.random() < 0.5 else 0
    return Trial(
        config=config, graph=graph, values=values, turned=turned, folding=folding, in_place=in_place, tile_rows=tile_rows
    )


def packed_trial_of(config: EngineConfig, graph: Graph, generator: np.random.Generator, *, turned: bool) -> Trial:
    """A random input of the network's format and way to run it, which is not folded."""
    tensor = graph.tensors[graph.input]
    values = generator.choice(np.array(FORMATS[tensor.format].members, np.int8), (1, *tensor.shape)).astype(np.int8)
    in_place = bool(generator.random() < 0.7)
    tile_rows = int(generator.integers(1, 5)) if in_place and generator.random() < 0.5 else 0
    return Trial(config=config, graph=graph, values=values, turned=turned, in_place=in_place, tile_rows=tile_rows)


def random_trials(
    seed: int, networks: int, *, largest: int = 6, config: EngineConfig | None = None
) -> list[Trial]:
    """Random networks of bytes on one random engine with p, m and n up to about ``largest``, or on ``config``."""
    generator = np.random.default_rng(seed)
    engine = random_engine(generator, largest) if config is None else config
    trials = []
    for _ in range(networks):
        graph = random_graph(
            generator, adding=engine.adding, joining=engine.part_pitch == 1, two_roundings=engine.nudge > 0
        )
        trials.append(trial_of(engine, graph, generator))
    return trials


def random_packed_trials(
    seed: int, networks: int, *, formats: Sequence[str] = tuple(FORMATS), largest: int = 3, joining: bool = True
) -> list[Trial]:
    """Random networks of maps and weights of ``formats``, with ``joining`` sums and concatenations of maps, on one random
    engine that knows what they need."""
    generator = np.random.default_rng(seed)
    drawn: list[tuple[Graph, bool]] = []
    for number in range(networks):
        graph = random_packed_graph(generator, formats=tuple(formats), sums=number % 2 == 1, joining=joining)
        drawn.append((graph, bool(generator.random() < 0.3)))
    needed = [engine_formats(choose_formats(form)) for graph, turned in drawn for form in (graph, *[turn(graph)] * turned)]
    config = random_packed_engine(generator, reduce(or_, needed), largest, joining=joining)
    return [packed_trial_of(config, graph, generator, turned=turned) for graph, turned in drawn]


def save_trial(trial: Trial, path: Path) -> None:
    """Write a trial as JSON, network and input included. Raises ValueError for a network that was not grown."""
    config = trial.config.to_dict()
    values = {
        "config": config, "network": recipe_of(trial.graph).to_dict(), "values": trial.values[0].tolist(), "turned": trial.turned,
        "folding": trial.folding, "in_place": trial.in_place, "tile_rows": trial.tile_rows,
    }  # fmt: skip
    path.write_text(json.dumps(values) + "\n")


def load_trial(path: Path) -> Trial:
    """The trial of a file. Raises UserError if it has none."""
    try:
        row: Mapping[str, Any] = json.loads(path.read_text())
        graph = grow(Recipe.from_dict(row["network"]))
        trial = Trial(
            config=EngineConfig.from_dict(row["config"]),
            graph=graph,
            values=np.array(row["values"], np.int8)[None],
            turned=bool(row["turned"]),
            folding=None if row["folding"] is None else (int(row["folding"][0]), int(row["folding"][1])),
            in_place=bool(row["in_place"]),
            tile_rows=int(row["tile_rows"]),
        )
        if trial.legal:
            return trial
    except OSError as error:
        raise UserError(f"The trial {path} cannot be read: {error.strerror}.") from error
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"{path} holds no trial of a random network: {error}.") from error
    raise UserError(f"The engine of the trial {path} cannot run its network.")
