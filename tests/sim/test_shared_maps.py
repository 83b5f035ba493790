"""Networks whose maps lie in each other's place, and in each other: RTL = golden model = cycle model, every layer's map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from macaw.compiler.graph import Add, Concat, Convolution, Graph, Node, Tensor
from macaw.compiler.network_plan import network_plans
from macaw.compiler.requantization import FloatRequantization
from macaw.compiler.requantize import requantize
from macaw.hw.config import EngineConfig
from macaw.hw.emit import write_verilog
from macaw.hw.engine import Engine
from macaw.scripts.random_networks import run_plan
from macaw.sim.core_simulation import CoreSimulation


def engine(p: int, m: int, n: int, depth: int, requantizer_digit: int = 0) -> EngineConfig:
    return EngineConfig(
        p=p, m=m, n=n, depth=depth, requantizer_digit=requantizer_digit, multiplier_width=34, shifts=(12, 20, 28, 36),
        adding=True, part_pitch=1, extent_width=6, feature_depth=2048, weight_depth=4096, program_depth=2048,
    )  # fmt: skip


ENGINES = [engine(2, 4, 2, depth=1), engine(1, 3, 5, depth=7, requantizer_digit=4), engine(3, 2, 4, depth=2)]


class _Network:
    """Grows layer by layer."""

    def __init__(self, generator: np.random.Generator, shape: tuple[int, int, int]) -> None:
        self.generator = generator
        self.graph = Graph(name="shared", source="test", input="x", output="x")
        self._keep("x", shape)

    def _keep(self, name: str, shape: tuple[int, int, int]) -> str:
        self.graph.tensors[name] = Tensor(name=name, shape=shape, scale=1.0, zero_point=-7)
        self.graph.output = name
        return name

    def _append(self, node: Node, shape: tuple[int, int, int]) -> str:
        self.graph.nodes.append(node)
        return self._keep(node.output, shape)

    def convolution(self, source: str, outputs: int, kernel: int, groups: int = 1) -> str:
        height, width, channels = self.graph.tensors[source].shape
        shape = (outputs, kernel, kernel, channels // groups)
        scale = 0.01 / np.sqrt(np.prod(shape[1:]))
        name = f"map{len(self.graph.nodes)}"
        node = Convolution(
            name=name, operator="Conv", input=source, output=name,
            weights=self.generator.integers(-127, 128, shape).astype(np.int8),
            bias=self.generator.integers(-9000, 9000, outputs), groups=groups, padding=(kernel // 2,) * 4,
            requantization=FloatRequantization(
                scale=np.full(outputs, scale, np.float32), zero_point=-7, low=-128, high=127
            ),
        )  # fmt: skip
        return self._append(node, (height, width, outputs))

    def addition(self, first: str, second: str) -> str:
        values = np.arange(-128, 128) + 7
        table = np.clip(np.rint(0.6 * values[:, None] + 0.55 * values[None, :]) - 7, -128, 127).astype(np.int8)
        name = f"map{len(self.graph.nodes)}"
        node = Add(
            name=name, operator="Add", input=first, second=second, output=name, table=table, weights=(0.6, 0.55),
            zero_point=-7,
        )  # fmt: skip
        return self._append(node, self.graph.tensors[first].shape)

    def concatenation(self, *parts: str) -> str:
        height, width, _ = self.graph.tensors[parts[0]].shape
        name = f"map{len(self.graph.nodes)}"
        node = Concat(name=name, operator="Concat", input=parts[0], others=parts[1:], output=name)
        return self._append(node, (height, width, sum(self.graph.tensors[part].shape[2] for part in parts)))


def separable(generator: np.random.Generator) -> Graph:
    """Depthwise, pointwise and dense layers of one geometry: little more than one map."""
    network = _Network(generator, (9, 5, 3))
    last = network.convolution("x", 12, 3)
    for kernel in (1, 3):
        last = network.convolution(network.convolution(last, 12, 3, 12), 12, kernel)
    network.convolution(last, 7, 1)
    return network.graph


def residual(generator: np.random.Generator) -> Graph:
    """Residual additions, as in ResNet and MobileNet."""
    network = _Network(generator, (6, 7, 3))
    last = network.convolution("x", 10, 3)
    for _ in range(2):
        last = network.addition(last, network.convolution(network.convolution(last, 10, 3, 10), 10, 1))
    network.convolution(last, 4, 1)
    return network.graph


def joined(generator: np.random.Generator) -> Graph:
    """Branches side by side, as in Inception, and a whole in a whole, as in DenseNet."""
    network = _Network(generator, (7, 6, 4))
    first = network.convolution("x", 5, 3)
    both = network.concatenation(first, network.convolution(first, 7, 1), network.convolution("x", 6, 3))
    dense = network.concatenation(both, network.convolution(both, 4, 3))
    network.convolution(network.convolution(dense, 22, 3, 22), 9, 1)
    return network.graph


@pytest.mark.parametrize("config", ENGINES, ids=str)
def test_all_plans(config: EngineConfig, tmp_path: Path) -> None:
    """Plans of three networks, from maps side by side to tiles of one row."""
    generator = np.random.default_rng(config.p)
    write_verilog(Engine(config), tmp_path / "core.v", name="core")
    with CoreSimulation(tmp_path / "core.v", tmp_path) as core:
        for graph, tiled in ((separable(generator), True), (residual(generator), False), (joined(generator), False)):
            values = generator.integers(-128, 128, (1, *graph.tensors[graph.input].shape)).astype(np.int8)
            plans = list(network_plans(graph, config.p, config.m, config.n))
            certified = requantize(plans[0].graph, config)
            for plan in plans:
                run_plan(core, config, plan, certified, values)
            assert len(plans) > 2
            assert any(len(layer.tiles) > 1 for layer in plans[-1].layers) or not tiled
