"""What a network of the random generators is made of: enough to grow its graph again, after changes, or from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler import requantization
from ..compiler.graph import Add, Concat, Convolution, Graph, MaxPool, Node
from ..compiler.requantization import Requantization
from ..hw.formats import FORMATS
from .growing_graph import GrowingGraph

__all__ = ["Recipe", "grow", "recipe_of"]

_RULES = ("BytePlanes", "FixedPointRequantization", "FloatRequantization", "ThresholdRequantization")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A network without what follows from its parts: shapes of maps, names of nodes, tables of additions.

    Attributes
    ----------
    shape : (height, width, channels)
        Of the input, whose name is ``map0``.
    zero_point : int
        Of the input.
    format : str
        Of the input.
    nodes : tuple of Node
        In execution order; the output of node k is ``map{k + 1}``.
    formats : tuple of str
        Of each node's output; those of pools and concatenations follow from their inputs.
    output : str
    """

    shape: tuple[int, int, int]
    zero_point: int
    format: str
    nodes: tuple[Node, ...]
    formats: tuple[str, ...]
    output: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        nodes = [_plain(node) | {"format": name} for node, name in zip(self.nodes, self.formats, strict=True)]
        return {
            "shape": list(self.shape),
            "zero_point": self.zero_point,
            "format": self.format,
            "nodes": nodes,
            "output": self.output,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The inverse of :meth:`to_dict`. Raises KeyError, TypeError or ValueError for values that are none."""
        height, width, channels = map(int, values["shape"])
        return cls(
            shape=(height, width, channels),
            zero_point=int(values["zero_point"]),
            format=values["format"],
            nodes=tuple(_node(row, number) for number, row in enumerate(values["nodes"])),
            formats=tuple(row["format"] for row in values["nodes"]),
            output=values["output"],
        )


def _plain(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": type(node).__name__, "inputs": list(node.inputs)}
    if isinstance(node, Convolution):
        rule = node.requantization
        found |= {name: list(getattr(node, name)) for name in ("stride", "padding", "dilation")}
        found |= {"groups": node.groups, "weight_format": node.weight_format}
        found |= {"weights": node.weights.tolist(), "bias": node.bias.tolist(), "rule": type(rule).__name__}
        for field in fields(rule):
            value = getattr(rule, field.name)
            found[f"rule.{field.name}"] = [str(value.dtype), value.tolist()] if isinstance(value, np.ndarray) else value
    elif isinstance(node, MaxPool):
        found |= {name: list(getattr(node, name)) for name in ("kernel", "stride", "padding")}
    elif isinstance(node, Add):
        found |= {"weights": list(node.weights), "zero_point": node.zero_point, "low": node.low, "high": node.high}
    return found


def _node(row: Mapping[str, Any], number: int) -> Node:
    names = {"name": f"node{number}", "input": row["inputs"][0], "output": f"map{number + 1}"}
    tuples: dict[str, Any] = {key: tuple(row[key]) for key in ("kernel", "stride", "padding", "dilation") if key in row}
    kind = row["kind"]
    if kind == "Convolution":
        if row["rule"] not in _RULES:
            raise ValueError(f"{row['rule']} is none of {', '.join(_RULES)}")
        values = {key.partition(".")[2]: value for key, value in row.items() if key.startswith("rule.")}
        arrays = {key: np.array(value[1], value[0]) for key, value in values.items() if isinstance(value, list)}
        return Convolution(
            operator="Conv", weights=np.array(row["weights"], np.int8), bias=np.array(row["bias"], np.int64),
            requantization=getattr(requantization, row["rule"])(**(values | arrays)), groups=row["groups"],
            weight_format=row["weight_format"], **names, **tuples,
        )  # fmt: skip
    if kind == "MaxPool":
        return MaxPool(operator="MaxPool", **names, **tuples)
    if kind == "Add":
        first, second = row["weights"]
        return Add(
            operator="Add", second=row["inputs"][1], table=np.zeros((256, 256), np.int8), weights=(first, second),
            zero_point=row["zero_point"], low=row["low"], high=row["high"], **names,
        )  # fmt: skip
    if kind == "Concat":
        return Concat(operator="Concat", others=tuple(row["inputs"][1:]), **names)
    raise ValueError(f"{kind} is no kind of node")


def recipe_of(graph: Graph) -> Recipe:
    """The recipe of a graph that was grown (sim/growing_graph.py). Raises ValueError for a graph with other names."""
    tensor = graph.tensors[graph.input]
    if graph.input != "map0" or [node.output for node in graph.nodes] != [f"map{k + 1}" for k in range(len(graph.nodes))]:
        raise ValueError(f"the maps of {graph.name} are not called map0, map1, ...")
    return Recipe(
        shape=tensor.shape,
        zero_point=tensor.zero_point,
        format=tensor.format,
        nodes=tuple(graph.nodes),
        formats=tuple(graph.tensors[node.output].format for node in graph.nodes),
        output=graph.output,
    )


def _repeated(values: NDArray[Any], count: int, axis: int = 0) -> NDArray[Any]:
    """``count`` entries along an axis: the first ones, or all of them again and again."""
    return np.take(values, np.arange(count) % values.shape[axis], axis=axis)


def _rule_of(rule: Requantization, count: int) -> Requantization:
    """The rule of a layer with ``count`` outputs."""
    values = {field.name: getattr(rule, field.name) for field in fields(rule)}
    arrays: dict[str, Any] = {key: _repeated(value, count) for key, value in values.items() if isinstance(value, np.ndarray)}
    return replace(rule, **arrays)


def _extents(kernel: int, dilation: int, begin: int, end: int, extent: int) -> tuple[int, int, int]:
    """The greatest kernel up to ``kernel`` that fits along an axis of ``extent`` elements, and paddings narrower than it."""
    fitting = min(kernel, (extent + begin + end - 1) // dilation + 1)
    reach = (fitting - 1) * dilation
    return fitting, min(begin, reach), min(end, reach)


def _fitted(node: Convolution, shape: tuple[int, int, int]) -> Convolution:
    """The layer for an input of another shape: fewer or repeated weights. Raises ValueError where groups do not divide."""
    outputs, ky, kx, fan_in = node.weights.shape
    height, width, channels = shape
    groups = node.groups
    if groups > 1 and fan_in == 1:  # depthwise
        outputs, groups = outputs // groups * channels, channels
    elif channels % groups or outputs % groups:
        raise ValueError(f"{groups} groups of {channels} channels and {outputs} outputs")
    top, left, bottom, right = node.padding
    # A narrower kernel may not reach its padding, which may make it fit no more: until it does.
    for _ in range(ky + kx):
        ky, top, bottom = _extents(ky, node.dilation[0], top, bottom, height)
        kx, left, right = _extents(kx, node.dilation[1], left, right, width)
    weights = _repeated(_repeated(node.weights[:, :ky, :kx], outputs), channels // groups, 3)
    return replace(
        node, weights=np.ascontiguousarray(weights), bias=_repeated(node.bias, outputs), groups=groups,
        requantization=_rule_of(node.requantization, outputs), padding=(top, left, bottom, right),
    )  # fmt: skip


def grow(recipe: Recipe, name: str = "grown") -> Graph:
    """The graph of a recipe. Layers whose input has another shape than their weights say are made to fit: weights are left
    out or repeated, kernels cut. Nodes that do not lead to the output stay. Raises ValueError if there is no such graph."""
    graph = GrowingGraph(name, recipe.shape, recipe.zero_point, recipe.format)
    for node, number_format in zip(recipe.nodes, recipe.formats, strict=True):
        shapes = [graph.tensor(source).shape for source in node.inputs]
        height, width, channels = shapes[0]
        if isinstance(node, Convolution):
            layer = _fitted(node, shapes[0])
            layer = replace(layer, name=f"conv{graph.number}", output=graph.next)
            members = FORMATS[layer.weight_format].members
            if not np.isin(layer.weights, members).all():
                raise ValueError(f"weights of {layer.name} that are not {layer.weight_format}")
            graph.convolution(layer, number_format)
        elif isinstance(node, MaxPool):
            ky, top, bottom = _extents(node.kernel[0], 1, node.padding[0], node.padding[2], height)
            kx, left, right = _extents(node.kernel[1], 1, node.padding[1], node.padding[3], width)
            ky, kx = min(ky, height + top + bottom), min(kx, width + left + right)
            graph.pool(node.input, (ky, kx), node.stride, (top, left, bottom, right))
        elif isinstance(node, Add):
            if shapes[0] != shapes[1]:
                raise ValueError(f"an addition of {shapes[0]} and {shapes[1]}")
            graph.addition(node.inputs, node.weights, node.zero_point, (node.low, node.high), number_format)
        elif isinstance(node, Concat):
            maps = [graph.tensor(source) for source in node.inputs]
            if len({(map_.shape[:2], map_.zero_point) for map_ in maps}) > 1:
                raise ValueError("a concatenation of unlike maps")
            graph.concatenation(node.inputs)
        if min(graph.tensor(f"map{graph.number}").shape) < 1:
            raise ValueError("an empty map")
    return graph.finished(recipe.output)
