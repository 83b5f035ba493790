"""A whole graph on an array of p x m x n: layouts, layer plans and addresses; no memory size is known or needed yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..hw.memory.map_layout import MapLayout
from .allocation import Lifetime, allocate
from .graph import Convolution, Graph, MaxPool
from .layer_plan import LayerPlan, plan_layer
from .problem import ModelError, Problem

__all__ = ["NetworkPlan", "plan_network"]


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """Plans of all layers, in execution order, and the address of every tensor."""

    layers: tuple[LayerPlan, ...]
    bases: Mapping[str, int]

    @property
    def feature_words(self) -> int:
        """Addresses that the maps need in each bank."""
        return max(self.bases[plan.node.output] + plan.output.size for plan in self.layers)

    @property
    def largest_step(self) -> tuple[LayerPlan, int]:
        """The layer whose input and output maps together need the most addresses, and how many."""
        plan = max(self.layers, key=lambda plan: plan.input.size + plan.output.size)
        return plan, plan.input.size + plan.output.size

    def weight_words(self, parameter_words: int) -> int:
        """Words of the weight buffer, parameters included."""
        return sum(plan.weight_words + parameter_words * plan.parameter_groups for plan in self.layers)

    @property
    def tap_count(self) -> int:
        """Entries of the tap memory; equal lists are kept once."""
        return sum(len(taps) for taps in {plan.taps for plan in self.layers})

    @property
    def descriptors(self) -> int:
        """Descriptors of the program, without its end."""
        return sum(len(plan.runs) for plan in self.layers)

    @property
    def most_groups(self) -> int:
        """The most output groups, or words in a pixel, of any layer."""
        return max(max(run.groups, run.words, run.period) for plan in self.layers for run in plan.runs)

    @property
    def extent(self) -> int:
        """The largest row or column number that the engine meets, padding and the last pixel group included."""
        p = self.layers[0].input.p
        return max(
            max(plan.input.height, plan.input.width, plan.output.height, plan.output.width)
            + p
            + max(max(abs(tap.row), abs(tap.column)) for tap in plan.taps)
            for plan in self.layers
        )


def _phases(graph: Graph) -> dict[str, int]:
    """Phases of every tensor: the horizontal stride with which it is consumed."""
    strides: dict[str, dict[int, str]] = {}
    for node in graph.nodes:
        if isinstance(node, Convolution | MaxPool):
            strides.setdefault(node.input, {}).setdefault(node.stride[1], node.name)
    problems = []
    for name, users in strides.items():
        if len(users) > 1:
            listed = " and ".join(f"{stride} (node {user!r})" for stride, user in sorted(users.items()))
            shape = "x".join(map(str, graph.tensors[name].shape))
            problems.append(
                Problem(
                    node=next(iter(users.values())),
                    operator="",
                    shapes=f"{name}: {shape}",
                    rule=f"the map is read with different horizontal strides: {listed}",
                    remedy="give all its readers the same stride",
                )
            )
    if problems:
        raise ModelError(problems)
    return {name: next(iter(users)) for name, users in strides.items()}


def plan_network(graph: Graph, p: int, m: int, n: int) -> NetworkPlan:
    """Plans ``graph`` for an array. Raises ModelError where the engine has no way to run a node."""
    phases = _phases(graph)
    layouts = {
        name: MapLayout(
            p=p, m=m, height=tensor.shape[0], width=tensor.shape[1], channels=tensor.shape[2],
            phases=phases.get(name, 1),
        )
        for name, tensor in graph.tensors.items()
    }  # fmt: skip
    lifetimes: dict[str, Lifetime] = {}
    for name, layout in layouts.items():
        made = next((step for step, node in enumerate(graph.nodes) if node.output == name), -1)
        used = max((step for step, node in enumerate(graph.nodes) if node.input == name), default=made)
        if name == graph.output:
            used = len(graph.nodes)
        lifetimes[name] = Lifetime(size=layout.size, first=made, last=used)
    return NetworkPlan(
        layers=tuple(plan_layer(node, layouts[node.input], layouts[node.output], n) for node in graph.nodes),
        bases=allocate(lifetimes),
    )
