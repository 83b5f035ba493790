"""An integer graph that grows node by node, for random networks: shapes, names and tensors follow from the nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..compiler.graph import Add, Concat, Convolution, Graph, MaxPool, Node, Tensor
from ..hw.formats import FORMATS

__all__ = ["GrowingGraph"]


class GrowingGraph:
    """A graph under construction; every method that appends a node returns the name of its output, ``map1``, ``map2``, ...

    Parameters
    ----------
    name : str
    shape : (height, width, channels)
        Of the input, ``map0``.
    zero_point : int
        Of the input.
    format : str
        Of the input.
    """

    def __init__(self, name: str, shape: tuple[int, int, int], zero_point: int, format: str = "int8") -> None:
        self.graph = Graph(name=name, source=name, input="map0", output="map0", input_float=False)
        self.graph.input_shape, self.graph.input_order = (1, *shape), np.arange(np.prod(shape))
        self._keep("map0", shape, zero_point, format)

    def _keep(self, name: str, shape: tuple[int, int, int], zero_point: int, format: str) -> None:
        self.graph.tensors[name] = Tensor(name=name, shape=shape, scale=1.0, zero_point=zero_point, format=format)

    @property
    def number(self) -> int:
        """Of the next node."""
        return len(self.graph.nodes)

    @property
    def next(self) -> str:
        """The output of the next node."""
        return f"map{self.number + 1}"

    def tensor(self, name: str) -> Tensor:
        """A map of the graph."""
        return self.graph.tensors[name]

    def append(self, node: Node, shape: tuple[int, int, int], zero_point: int, format: str = "int8") -> str:
        """Any node."""
        self.graph.nodes.append(node)
        self._keep(node.output, shape, zero_point, format)
        return node.output

    def convolution(self, node: Convolution, format: str = "int8") -> str:
        """A convolution; its rule says which zero point its output has."""
        height, width, _ = self.tensor(node.input).shape
        outputs, ky, kx, _ = node.weights.shape
        top, left, bottom, right = node.padding
        shape = (
            (height + top + bottom - (ky - 1) * node.dilation[0] - 1) // node.stride[0] + 1,
            (width + left + right - (kx - 1) * node.dilation[1] - 1) // node.stride[1] + 1,
            outputs,
        )
        return self.append(node, shape, node.requantization.zero_point, format)

    def pool(
        self,
        source: str,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> str:
        """A max pool."""
        map_ = self.tensor(source)
        height, width, channels = map_.shape
        top, left, bottom, right = padding
        node = MaxPool(
            name=f"pool{self.number}",
            operator="MaxPool",
            input=source,
            output=self.next,
            kernel=kernel,
            stride=stride,
            padding=padding,
        )
        pooled = (
            (height + top + bottom - kernel[0]) // stride[0] + 1,
            (width + left + right - kernel[1]) // stride[1] + 1,
            channels,
        )
        return self.append(node, pooled, map_.zero_point, map_.format)

    def addition(
        self,
        inputs: Sequence[str],
        factors: Sequence[float],
        zero_point: int,
        bounds: tuple[int, int],
        format: str = "int8",
    ) -> str:
        """The residual addition ``clip(rint(f * (a - zp_a) + g * (b - zp_b)) + zero_point, *bounds)``."""
        first, second = (
            factor * (np.arange(-128, 128) - self.tensor(name).zero_point)
            for factor, name in zip(factors, inputs, strict=True)
        )
        sums = np.rint(first[:, None] + second[None, :]) + zero_point
        node = Add(
            name=f"add{self.number}",
            operator="Add",
            input=inputs[0],
            second=inputs[1],
            output=self.next,
            table=np.clip(sums, *bounds).astype(np.int8),
            weights=(float(factors[0]), float(factors[1])),
            zero_point=zero_point,
            low=bounds[0],
            high=bounds[1],
        )
        return self.append(node, self.tensor(inputs[0]).shape, zero_point, format)

    def concatenation(self, parts: Sequence[str]) -> str:
        """The channels of ``parts``, which have one height, width and zero point, in the widest of their formats."""
        height, width, _ = self.tensor(parts[0]).shape
        channels = sum(self.tensor(part).shape[2] for part in parts)
        node = Concat(
            name=f"join{self.number}",
            operator="Concat",
            input=parts[0],
            others=tuple(parts[1:]),
            output=self.next,
        )
        widest = max((self.tensor(part).format for part in parts), key=lambda name: FORMATS[name].width)
        return self.append(node, (height, width, channels), self.tensor(parts[0]).zero_point, widest)

    def finished(self, output: str) -> Graph:
        """The graph, with ``output`` as its output."""
        graph, shape = self.graph, self.tensor(output).shape
        graph.output, graph.output_shape, graph.output_order = output, (1, *shape), np.arange(np.prod(shape))
        return graph
