"""Input folding: kernel positions of the first layer become channels, and the host lays its input out that way (im2col).

A first layer with few channels leaves most of m lanes idle at each kernel position. Folded, one step covers several.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from ..hw.control.descriptor import STRIDE_WIDTH
from ..hw.memory.map_layout import MapLayout
from ..hw.products import PRODUCTS
from .graph import Convolution, Graph
from .layer_plan import input_words

__all__ = ["Folding", "fewest_steps", "first_layer", "fold_input", "folded_positions", "foldings"]


@dataclass(frozen=True)
class _Axis:
    """One axis of a folded layer: its taps, stride and dilation on the new map, and where that map's values come from.

    ``positions[r, j]`` is the row (column) of the old map that row r of the new one holds for its part j; outside of the
    old map is padding.
    """

    taps: int
    stride: int
    dilation: int
    positions: NDArray[np.int64]


@lru_cache(maxsize=1024)
def _axis(kernel: int, stride: int, dilation: int, begin: int, outputs: int, fold: int) -> _Axis:
    """``fold`` neighbouring taps into one. Output y reads, at tap i, row ``(y * stride + i * fold * dilation) / unit``."""
    taps = -(-kernel // fold)
    unit = stride if taps == 1 else gcd(stride, fold * dilation)
    extent = ((outputs - 1) * stride + (taps - 1) * fold * dilation) // unit + 1
    positions = unit * np.arange(extent)[:, None] + dilation * np.arange(fold)[None, :] - begin
    return _Axis(taps, stride // unit, fold * dilation // unit if taps > 1 else 1, positions)


@dataclass(frozen=True, order=True)
class Folding:
    """``rows`` x ``columns`` neighbouring kernel positions become channels.

    ``steps``: array steps of the layer for one pixel group. ``feature_bytes``: of the folded map in the feature buffer.
    ``host_bytes``: elements of the folded map. Foldings compare in this order.
    """

    steps: int
    feature_bytes: int
    host_bytes: int
    rows: int
    columns: int


def first_layer(graph: Graph) -> Convolution | None:
    """The only reader of the network's input, if it is a convolution of an int8 map."""
    readers = [node for node in graph.nodes if graph.input in node.inputs]
    if len(readers) != 1 or not isinstance(readers[0], Convolution) or graph.input == graph.output:
        return None
    if graph.tensors[graph.input].format != "int8":
        return None
    return readers[0]


def _axes(graph: Graph, node: Convolution, rows: int, columns: int) -> tuple[_Axis, _Axis]:
    _, height, width, _ = node.weights.shape
    target = graph.tensors[node.output].shape
    return (
        _axis(height, node.stride[0], node.dilation[0], node.padding[0], target[0], rows),
        _axis(width, node.stride[1], node.dilation[1], node.padding[1], target[1], columns),
    )


def _choices(node: Convolution) -> list[tuple[int, int]]:
    """What may be folded; for a number of taps, fewer positions in each are never worse."""
    _, height, width, _ = node.weights.shape
    rows, columns = (sorted({-(-extent // taps) for taps in range(1, extent + 1)}) for extent in (height, width))
    choices = [(row, column) for row in rows for column in columns]
    if PRODUCTS[node.product].zero:
        return choices
    # Without a weight of 0 nothing may be filled up.
    return [(row, column) for row, column in choices if height % row == 0 and width % column == 0]


def _steps(node: Convolution, m: int, n: int, rows: int, columns: int) -> int:
    outputs, height, width, fan_in = node.weights.shape
    first_words, words = input_words(outputs, node.groups, rows * columns * fan_in, m, n)
    return len(first_words) * words * -(-height // rows) * -(-width // columns)


def fewest_steps(node: Convolution, m: int, n: int) -> int:
    """Array steps for one pixel group of the layer in its best folding, or as it is."""
    return min(_steps(node, m, n, rows, columns) for rows, columns in _choices(node))


def foldings(graph: Graph, p: int, m: int, n: int) -> list[Folding]:
    """Foldings that need fewer steps than the layer as it is, fewest first; each needs less feature memory than those
    in front of it.

    The layer's cycles never rise with its steps (sim/cost/cycles.py), so fewest steps is fewest cycles. Empty if
    nothing helps, or the input is not read by one convolution only.
    """
    node = first_layer(graph)
    if node is None:
        return []
    plain = _steps(node, m, n, 1, 1)
    measured = []
    for rows, columns in _choices(node):
        steps = _steps(node, m, n, rows, columns)
        if steps >= plain:
            continue
        vertical, horizontal = _axes(graph, node, rows, columns)
        channels = rows * columns * node.weights.shape[3] * node.groups
        height, width = len(vertical.positions), len(horizontal.positions)
        layout = MapLayout(p=p, m=m, height=height, width=width, channels=channels, phases=horizontal.stride)
        if max(vertical.stride, horizontal.stride) < 1 << STRIDE_WIDTH:
            measured.append(Folding(steps, layout.size * p * m, height * width * channels, rows, columns))
    best: list[Folding] = []
    for folding in sorted(measured):
        if not best or folding.feature_bytes < best[-1].feature_bytes:
            best.append(folding)
    return best


def folded_positions(graph: Graph, rows: int, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which row of the old map row r of :func:`fold_input`'s holds for its row part i, and the same of columns: arrays
    [r, i], evenly spaced along both axes; what lies outside of the old map is padding. Raises ValueError as there."""
    node = first_layer(graph)
    if node is None:
        raise ValueError(f"the input of {graph.name} is not read by one convolution only")
    vertical, horizontal = _axes(graph, node, rows, columns)
    return vertical.positions, horizontal.positions


def fold_input(graph: Graph, rows: int, columns: int) -> Graph:
    """``graph`` with ``rows`` x ``columns`` kernel positions of its first layer folded into channels.

    The folded map's channels are, for each group, row part, column part, channel; its padding is in ``input_order`` as
    -1. Everything behind the first layer's output is unchanged. Raises ValueError if there is no such layer.
    """
    node = first_layer(graph)
    if node is None:
        raise ValueError(f"the input of {graph.name} is not read by one convolution only")
    vertical, horizontal = _axes(graph, node, rows, columns)
    outputs, height, width, fan_in = node.weights.shape
    source = graph.tensors[graph.input]
    groups = node.groups

    # A border of -1 around the old map: every position outside becomes padding.
    elements = np.full((source.shape[0] + 1, source.shape[1] + 1, source.shape[2]), -1, np.int64)
    elements[:-1, :-1] = graph.input_order.reshape(source.shape)
    y = np.where((vertical.positions >= 0) & (vertical.positions < source.shape[0]), vertical.positions, -1)
    x = np.where((horizontal.positions >= 0) & (horizontal.positions < source.shape[1]), horizontal.positions, -1)
    # Axes: row, column, row part, column part, group, channel.
    order = elements[y[:, None, :, None], x[None, :, None, :]].reshape(len(y), len(x), rows, columns, groups, fan_in)
    order = order.transpose(0, 1, 4, 2, 3, 5)

    weights = np.zeros((outputs, vertical.taps * rows, horizontal.taps * columns, fan_in), np.int8)
    weights[:, :height, :width] = node.weights
    weights = weights.reshape(outputs, vertical.taps, rows, horizontal.taps, columns, fan_in).transpose(
        0, 1, 3, 2, 4, 5
    )
    folded = replace(
        node,
        weights=np.ascontiguousarray(weights).reshape(outputs, vertical.taps, horizontal.taps, -1),
        stride=(vertical.stride, horizontal.stride),
        padding=(0, 0, 0, 0),
        dilation=(vertical.dilation, horizontal.dilation),
        fan_in=node.products_per_output,
    )
    shape = (len(y), len(x), rows * columns * groups * fan_in)
    tensors = dict(graph.tensors)
    tensors[graph.input] = replace(source, shape=shape, reference="", reference_shape=())
    return replace(
        graph,
        tensors=tensors,
        nodes=[folded if other is node else other for other in graph.nodes],
        input_order=np.ascontiguousarray(order).reshape(-1),
    )
