"""From a node of the integer graph to passes of the engine: geometry, taps and channel order, before any address is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd

import numpy as np
from numpy.typing import NDArray

from ..hw.control.descriptor import Operation
from ..hw.memory.map_layout import MapLayout
from ..hw.products import PRODUCTS
from ..sim.cost.utilization import LayerShape
from .graph import COPY, Add, Convolution, MaxPool, Node

__all__ = [
    "ADDITION_TAPS",
    "LayerPlan",
    "OutputRun",
    "RowTile",
    "Tap",
    "addition_taps",
    "addition_weights",
    "dense_weights",
    "input_words",
    "plan_layer",
    "row_tile",
]


@dataclass(frozen=True, kw_only=True)
class Tap:
    """One kernel position, relative to a pixel group's first pixel (hw/control/descriptor.py, tap_layout).

    ``address`` may be negative here; the tap memory holds it modulo the feature buffer's address space.
    """

    address: int
    bank: int
    row: int
    column: int
    columns: int
    scale: bool = False


ADDITION_TAPS = ((True, 0), (True, 1), (False, 0), (False, 1))
"""Taps of a residual addition: whether it is a high digit's, whose sums count 256-fold, and of which map."""


@dataclass(frozen=True, kw_only=True)
class OutputRun:
    """Neighbouring output groups whose input words follow one rule: one descriptor.

    ``first_group``, ``groups``: which output groups. ``first_word``: the first input word of the first of them.
    ``words``: input words that each group reads. ``period``: groups that read the same words; ``period_words``: how many
    words further the next period begins.
    """

    first_group: int
    groups: int
    first_word: int
    words: int
    period: int
    period_words: int


@dataclass(frozen=True, kw_only=True)
class RowTile:
    """Output rows ``first`` .. ``first + rows - 1``, with all output groups, before any other rows: descriptors of their own.

    ``input_row``: the input row that is row 0 for ``taps``; rows of the input above it do not exist for this tile.
    ``source_row``, ``target_row``: the first rows of input and output that lie in the feature buffer, where not all do.
    """

    first: int
    rows: int
    input_row: int
    taps: tuple[Tap, ...]
    source_row: int = 0
    target_row: int = 0


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """One node on the engine. ``input`` and ``output`` are layouts with base 0.

    ``kernel_rows``: rows of the kernel that the loop over words walks, where an output group reads one word and no row is
    padding; the taps are then those of the first row. 1: the loop walks words, the taps all rows.
    ``tiles``: output rows in the order in which they are computed, usually one tile of all; ``taps``: of the tile that
    begins with row 0.
    """

    node: Node
    input: MapLayout
    output: MapLayout
    stride: tuple[int, int]
    taps: tuple[Tap, ...]
    runs: tuple[OutputRun, ...]
    tiles: tuple[RowTile, ...]
    kernel_rows: int
    row_distance: int
    """Rows of the input between two rows of the kernel."""
    lanes: int
    """Output channels of a group: n, or those of a word for max pooling."""

    @property
    def row_groups(self) -> int:
        """Pixel groups in an output row."""
        return -(-self.output.width // self.output.p)

    @property
    def multiplies(self) -> bool:
        """Whether the node runs on the array and the output stage, with weights and requantization."""
        return isinstance(self.node, Convolution | Add)

    @property
    def passes(self) -> tuple[tuple[RowTile, OutputRun], ...]:
        """What each descriptor of the layer does, in order."""
        return tuple((tile, run) for tile in self.tiles for run in self.runs)

    def loops(self, tile: RowTile, run: OutputRun) -> dict[str, int]:
        """All that the cycle model needs: the descriptor fields that say how often things happen, and ``output_bits``."""
        operation = Operation.CONVOLUTION if self.multiplies else Operation.MAX_POOL
        return {
            "operation": operation.value,
            "groups_last": run.groups - 1,
            "words_last": run.words * self.kernel_rows - 1,
            "taps_last": len(self.taps) - 1,
            "rows_last": tile.rows - 1,
            "row_groups_last": self.row_groups - 1,
            "tail_last": self.output.width - (self.row_groups - 1) * self.output.p - 1,
            "output_bits": self.output.bits,
        }

    def output_channels(self, run: OutputRun) -> range:
        """Channels that a run makes."""
        return range(run.first_group * self.lanes, min((run.first_group + run.groups) * self.lanes, self.output.channels))

    def output_words(self, run: OutputRun) -> range:
        """Words of an output pixel that a run writes."""
        channels = self.output_channels(run)
        return range(channels.start // self.output.word_channels, -(-channels.stop // self.output.word_channels))

    @property
    def word_groups(self) -> int:
        """Output groups that end with a word: so many, and multiples."""
        return self.output.word_channels // gcd(self.output.word_channels, self.lanes)

    @property
    def weight_words(self) -> int:
        """Words of weights, without parameters."""
        if not self.multiplies:
            return 0
        return sum(run.groups * run.words * self.kernel_positions for run in self.runs)

    @property
    def kernel_positions(self) -> int:
        """Positions of the kernel: taps, in each of the rows that the loop over words walks."""
        return len(self.taps) * self.kernel_rows

    @property
    def word_step(self) -> int:
        """Addresses between two turns of the loop over words."""
        return self.input.plane_words if self.kernel_rows == 1 else self.row_distance * self.input.line_words

    @property
    def walked_rows(self) -> range:
        """Rows of the input that the loop over words reads at each tap, relative to the tap's."""
        return range(0, self.kernel_rows * self.row_distance, self.row_distance)

    @property
    def shape(self) -> LayerShape:
        """What decides how many of the array's slots the layer uses."""
        node = self.node
        kind, fan_in, grouped, products = "pool", 1, False, 0
        if isinstance(node, Add):
            kind = "add"
        elif isinstance(node, Convolution):
            kind = "copy" if node.operator == COPY else "product"
            fan_in, grouped, products = node.weights.shape[3], node.groups > 1, node.products_per_output
        return LayerShape(
            kind=kind,
            rows=self.output.height,
            width=self.output.width,
            outputs=self.output.channels,
            groups=sum(run.groups for run in self.runs),
            words=self.runs[0].words,
            taps=self.kernel_positions,
            fan_in=fan_in,
            grouped=grouped,
            products=products,
            packing=8 // self.input.bits,
        )

    @property
    def parameter_groups(self) -> int:
        """Output groups that have requantization parameters."""
        return sum(run.groups for run in self.runs) if self.multiplies else 0

    @property
    def products(self) -> int:
        """Multiplications that the node needs, padding included; 0 for max pooling, residual additions and copies."""
        if self.shape.kind != "product" or not isinstance(self.node, Convolution):
            return 0
        return self.output.height * self.output.width * self.output.channels * self.node.products_per_output


def _taps(layout: MapLayout, kernel: tuple[int, int], stride: int, padding: tuple[int, int], dilation: tuple[int, int]) -> tuple[Tap, ...]:  # fmt: skip
    taps = []
    for ky in range(kernel[0]):
        row = ky * dilation[0] - padding[0]
        for kx in range(kernel[1]):
            position, phase = divmod(kx * dilation[1] - padding[1], stride)
            column, bank = divmod(position, layout.p)
            taps.append(
                Tap(
                    address=row * layout.line_words + phase * layout.phase_words + column,
                    bank=bank,
                    row=row,
                    column=position,
                    columns=layout.phase_width(phase),
                )
            )
    return tuple(taps)


def _output_runs(first_words: list[int], words: int, cut: int) -> tuple[OutputRun, ...]:
    """Cuts the groups into runs with ``first_words[g] = start + (g div period) * period_words``, and in front of group ``cut``."""
    runs = []
    start = 0
    while start < len(first_words):
        end = cut if start < cut else len(first_words)
        rest = [word - first_words[start] for word in first_words[start:end]]
        period = next((g for g, word in enumerate(rest) if word), len(rest))
        step = rest[period] if period < len(rest) else 0
        length = next((g for g, word in enumerate(rest) if word != g // period * step), len(rest))
        runs.append(
            OutputRun(
                first_group=start,
                groups=length,
                first_word=first_words[start],
                words=words,
                period=period,
                period_words=step,
            )
        )
        start += length
    return tuple(runs)


def input_words(outputs: int, groups: int, fan_in: int, m: int, n: int) -> tuple[list[int], int]:
    """For each output group of n channels the first input word that it reads, and how many words each reads."""
    outputs_per_group = outputs // groups
    first_words, words = [], 1
    for first in range(0, outputs, n):
        last = min(first + n, outputs) - 1
        low = first // outputs_per_group * fan_in
        high = (last // outputs_per_group + 1) * fan_in - 1
        first_words.append(low // m)
        words = max(words, high // m - low // m + 1)
    return [min(word, -(-fan_in * groups // m) - words) for word in first_words], words


def row_tile(taps: tuple[Tap, ...], source: MapLayout, stride: int, first: int, rows: int) -> RowTile:
    """Output rows from ``first`` on. Tiles that reach no padding above have equal taps."""
    above = -min(tap.row for tap in taps)
    input_row = max(first * stride - above, 0)
    shift = first * stride - input_row
    shifted = tuple(
        replace(tap, row=tap.row + shift, address=tap.address + shift * source.line_words) for tap in taps
    )
    return RowTile(first=first, rows=rows, input_row=input_row, taps=shifted)


def addition_taps(source: MapLayout, distance: int) -> tuple[Tap, ...]:
    """Taps of an addition whose second map begins ``distance`` addresses behind the first."""
    return tuple(
        Tap(address=which * distance, bank=0, row=0, column=0, columns=source.width, scale=scale)
        for scale, which in ADDITION_TAPS
    )


def plan_layer(
    node: Node,
    source: MapLayout,
    target: MapLayout,
    n: int,
    second: MapLayout | None = None,
    distance: int = 0,
    tile_rows: int = 0,
) -> LayerPlan:
    """Places ``node`` on an engine with n output lanes; p and m are the layouts'.

    ``source.phases`` must be the node's horizontal stride. ``second``: the layout of an addition's second map, and
    ``distance`` how many addresses behind the first map it begins. ``tile_rows``: output rows of a tile; 0: all.
    """
    kernel_rows = row_distance = 1
    cut = 0
    if isinstance(node, Convolution):
        outputs, height, width, fan_in = node.weights.shape
        first_words, words = input_words(outputs, node.groups, fan_in, source.word_channels, n)
        if PRODUCTS[node.product].masking and source.channel_bytes % source.m:
            # The descriptor says what is masked in the last word: groups that read the map's last word have one of their own.
            cut = next(group for group, word in enumerate(first_words) if word + words == source.words)
        # A walked row is no word's end, behind which bytes would be masked.
        if words == 1 and not (node.padding[0] or node.padding[2]) and not PRODUCTS[node.product].masking:
            kernel_rows, row_distance = height, node.dilation[0]
        taps = _taps(
            source, (height // kernel_rows, width), node.stride[1], (node.padding[0], node.padding[1]), node.dilation
        )
        lanes = n
        stride = node.stride
    elif isinstance(node, Add):
        if second is None or (second.words, second.plane_words, second.line_words, second.phases) != (
            source.words, source.plane_words, source.line_words, source.phases
        ):  # fmt: skip
            raise ValueError(f"the two maps that {node.name} adds do not lie alike: {source}, {second}")
        taps = addition_taps(source, distance)
        first_words, words = input_words(source.channels, source.channels, 1, source.m, n)
        lanes = n
        stride = (1, 1)
    elif isinstance(node, MaxPool):
        taps = _taps(source, node.kernel, node.stride[1], (node.padding[0], node.padding[1]), (1, 1))
        first_words, words = list(range(source.words)), 1
        lanes = source.word_channels
        stride = node.stride
    else:
        raise TypeError(f"no plan for a {type(node).__name__}")
    if source.first_byte or (second is not None and second.first_byte):
        raise ValueError(f"the input of {node.name} begins inside of a word")
    if source.phases != stride[1]:
        raise ValueError(f"the input of {node.name} has {source.phases} phases, not {stride[1]}")
    return LayerPlan(
        node=node,
        input=source,
        output=target,
        stride=stride,
        taps=taps,
        runs=_output_runs(first_words, words, cut),
        kernel_rows=kernel_rows,
        row_distance=row_distance,
        tiles=tuple(
            row_tile(taps, source, stride[0], first, min(height, target.height - first))
            for height in [tile_rows or target.height]
            for first in range(0, target.height, height)
        ),
        lanes=lanes,
    )


def addition_weights(digits: Sequence[tuple[int, int]], channels: int) -> NDArray[np.int8]:
    """Weights of a residual addition as of a convolution with a kernel of 1 x 4, in the order of ``ADDITION_TAPS``, shape
    (channels, 1, 4, channels). ``digits``: high and low digit of the weight of each map."""
    weights = np.zeros((channels, 1, len(ADDITION_TAPS), channels), np.int8)
    every = np.arange(channels)
    for position, (scale, which) in enumerate(ADDITION_TAPS):
        weights[every, 0, position, every] = digits[which][0 if scale else 1]
    return weights


def dense_weights(node: Convolution, channels: int) -> NDArray[np.int8]:
    """Weights over all input channels, shape (outputs, kernel height, kernel width, channels); 0 outside a group."""
    outputs, height, width, fan_in = node.weights.shape
    if node.groups == 1:
        return node.weights
    dense = np.zeros((outputs, height, width, channels), np.int8)
    for output in range(outputs):
        first = output // (outputs // node.groups) * fan_in
        dense[output, :, :, first : first + fan_in] = node.weights[output]
    return dense
