"""Cycles that no plan of a network on an array can beat: the cycle model without the copies and row tiles of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ..hw.config import EngineConfig
from ..hw.control.descriptor import Operation
from ..hw.formats import FORMATS
from ..hw.memory.map_layout import MapLayout
from ..sim.cost.cycles import layer_cycles, program_cycles
from .graph import Add, Concat, Convolution, Graph, MaxPool, Node
from .layer_plan import ADDITION_TAPS, input_words

__all__ = ["CycleBound"]


@lru_cache(maxsize=65536)
def _passes(outputs: int, groups: int, fan_in: int, m: int, n: int) -> tuple[int, int]:
    """Output groups, and input words that each reads."""
    first_words, words = input_words(outputs, groups, fan_in, m, n)
    return len(first_words), words


@dataclass(frozen=True)
class _Layer:
    """What the cycles of a node depend on, besides the array; ``bits``: of a value of its input."""

    rows: int
    width: int
    outputs: int
    groups: int
    fan_in: int
    taps: int
    pooling: bool = False
    bits: int = 8
    output_bits: int = 8

    def passes(self, m: int, n: int) -> tuple[int, int]:
        channels = 8 * m // self.bits
        if self.pooling:
            return -(-self.outputs // channels), 1
        return _passes(self.outputs, self.groups, self.fan_in, channels, n)

    def loops(self, p: int, m: int, n: int) -> dict[str, int]:
        groups, words = self.passes(m, n)
        row_groups = -(-self.width // p)
        return {
            "operation": (Operation.MAX_POOL if self.pooling else Operation.CONVOLUTION).value,
            "groups_last": groups - 1,
            "words_last": words - 1,
            "taps_last": self.taps - 1,
            "rows_last": self.rows - 1,
            "row_groups_last": row_groups - 1,
            "tail_last": self.width - (row_groups - 1) * p - 1,
            "output_bits": self.output_bits,
        }


def _layer(graph: Graph, node: Node) -> _Layer:
    rows, width, outputs = graph.tensors[node.output].shape
    bits, output_bits = (FORMATS[graph.tensors[name].format].width for name in (node.input, node.output))
    if isinstance(node, Convolution):
        _, height, kernel_width, fan_in = node.weights.shape
        return _Layer(rows, width, outputs, node.groups, fan_in, height * kernel_width, bits=bits, output_bits=output_bits)
    if isinstance(node, Add):
        return _Layer(rows, width, outputs, outputs, 1, len(ADDITION_TAPS))
    if isinstance(node, MaxPool):
        return _Layer(rows, width, outputs, outputs, 1, node.kernel[0] * node.kernel[1], pooling=True, bits=bits, output_bits=output_bits)
    raise TypeError(f"no cycles are known for a {type(node).__name__}")


class CycleBound:
    """Lower bounds for one graph and any array (p, m, n)."""

    def __init__(self, graph: Graph) -> None:
        self._layers = {node.output: _layer(graph, node) for node in graph.nodes if not isinstance(node, Concat)}
        self._shapes = {(*tensor.shape, tensor.format) for tensor in graph.tensors.values()}

    def row_steps(self, output: str, p: int) -> int:
        """Pixel groups of the layer that makes ``output``."""
        layer = self._layers[output]
        return layer.rows * -(-layer.width // p)

    def steps(self, p: int, m: int, n: int, without: str = "") -> int:
        """Cycles in which the array works, without those of the layer that makes ``without``."""
        total = 0
        for output, layer in self._layers.items():
            if output != without:
                groups, words = layer.passes(m, n)
                total += layer.rows * -(-layer.width // p) * groups * words * layer.taps
        return total

    def cycles(self, config: EngineConfig) -> int:
        """Cycles of the network; memories of ``config`` that are too small make the bound lower."""
        array = config.p, config.m, config.n
        return program_cycles(config, [layer_cycles(config, layer.loops(*array)) for layer in self._layers.values()])

    def weight_words(self, m: int, n: int, parameter_words: int) -> int:
        """Words of the weight buffer."""
        total = 0
        for layer in self._layers.values():
            if not layer.pooling:
                groups, words = layer.passes(m, n)
                total += groups * (words * layer.taps + parameter_words)
        return total

    def group_words(self, m: int, n: int, parameter_words: int) -> int:
        """Words of the weight buffer for the largest output group."""
        layers = [layer for layer in self._layers.values() if not layer.pooling]
        return max((layer.passes(m, n)[1] * layer.taps + parameter_words for layer in layers), default=0)

    def feature_words(self, p: int, m: int) -> int:
        """Addresses of the largest map."""
        return max(
            MapLayout(p=p, m=m, height=height, width=width, channels=channels, format=stored).size
            for height, width, channels, stored in self._shapes
        )
