"""Plans with maps outside of the chip: every pass finds its rows, no plan needs more than it may, and what cannot be is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from macaw.boards.catalog import find_board
from macaw.compiler.budget import Budget
from macaw.compiler.compilation import compile_graph
from macaw.compiler.concatenation import legalize
from macaw.compiler.graph import Convolution, Graph
from macaw.compiler.map_spilling import MapSpiller
from macaw.compiler.network_plan import MapPlanner, NetworkPlan, PlannedPass, plan_network
from macaw.compiler.row_tiling import rows_read
from macaw.hw.config import EngineConfig
from macaw.hw.errors import UserError
from macaw.hw.memory.map_layout import MapLayout
from macaw.scripts.build_folder import board_budget
from macaw.sim.cost.external_memory import IdealMemory
from macaw.sim.layered_network import layered_network
from macaw.sim.random_network import random_graph

ARRAYS = [(2, 4, 2), (1, 3, 5), (3, 8, 4)]

Word = tuple[str, int, int]
"""A word of a whole map in one row: its name, its word, its row."""


class Memories:
    """Which words are where while a plan runs; every read must find what it looks for."""

    def __init__(self, planner: MapPlanner, plan: NetworkPlan) -> None:
        self.planner, self.plan = planner, plan
        self.inside: dict[int, Word] = {}
        self.outside: set[Word] = set()
        name = planner.graph.input
        words = [word for row in range(planner.layout(name).height) for word in self.words(name, row, planner.layout(name).words)]
        if name in plan.spilled:
            self.outside |= set(words)
        else:
            self.fill(plan.maps[name], 0, words)

    def words(self, name: str, row: int, count: int, first: int = 0) -> list[Word]:
        """Of a row of a tensor."""
        place = self.planner.places[name]
        above = self.planner.wholes[place.whole]
        offset = place.channel * above.bits // 8 // above.m + first
        return [(place.whole, offset + word, row) for word in range(count)]

    def addresses(self, layout: MapLayout, row: int, word: int) -> range:
        """Of a word's columns."""
        first = layout.base + word * layout.plane_words + row * layout.line_words
        return range(first, first + layout.line_words)

    def fill(self, layout: MapLayout, top: int, words: list[Word], first: int = 0) -> None:
        """Writes words whose place begins with row ``top``; ``first`` is the first of them in the layout."""
        base = min(word for _, word, _ in words)
        for name, word, row in words:
            for address in self.addresses(layout, row - top, word - base + first):
                self.inside[address] = name, word, row

    def run(self) -> None:
        """All steps."""
        for step in self.plan.steps():
            if isinstance(step, PlannedPass):
                self._pass(step)
                continue
            rows = range(step.first, step.first + step.rows)
            words = [item for row in rows for item in self.words(step.name, row, step.words, step.first_word)]
            if step.storing:
                for name, word, row in words:
                    for address in self.addresses(step.window, row - step.window_row, word):
                        assert self.inside[address] == (name, word, row)
                self.outside |= set(words)
            else:
                assert set(words) <= self.outside
                self.fill(step.window, step.window_row, words, step.first_word)

    def _pass(self, step: PlannedPass) -> None:
        plan = self.plan.layers[step.layer]
        tile = step.tile
        for number, name in enumerate(plan.node.inputs):
            layout = self.plan.place(step.layer, name)
            low, high = rows_read(plan.node, (tile.first, tile.first + tile.rows), plan.input.height)
            top = tile.source_row
            if number:  # by its distance from the first map, as the taps have it
                first = self.plan.place(step.layer, plan.node.input)
                distance = max(tap.address for tap in tile.taps) or min(tap.address for tap in tile.taps)
                top = -(first.base + distance - tile.source_row * first.line_words - layout.base) // layout.line_words
            for row in range(low, high):
                for word, wanted in enumerate(self.words(name, row, layout.words)):
                    for address in self.addresses(layout, row - top, word):
                        assert self.inside.get(address) == wanted, f"{plan.node.name} does not find {wanted} at {address}"
        target = self.plan.place(step.layer, plan.node.output)
        # A part that begins inside of a word shares it, and the next, with its neighbours.
        words = range(plan.output.words) if plan.output.first_byte else plan.output_words(step.run)
        made = [
            item
            for row in range(tile.first, tile.first + tile.rows)
            for item in self.words(plan.node.output, row, len(words), words.start)
        ]
        self.fill(target, tile.target_row, made, words.start)


def spiller(graph: Graph, array: tuple[int, int, int]) -> MapSpiller:
    p, m, n = array
    planner = MapPlanner(legalize(graph, m), p, m, n)
    return MapSpiller(planner, EngineConfig(p=p, m=m, n=n, adding=True, part_pitch=1), 2.1)


@pytest.mark.parametrize("array", ARRAYS)
def test_every_pass_finds_its_rows(array: tuple[int, int, int]) -> None:
    generator = np.random.default_rng(array[0])
    plans = outside = 0
    for _ in range(25):
        graph = random_graph(generator, 5, adding=True, joining=True)
        ways = spiller(graph, array)
        needed = plan_network(graph, *array).feature_words
        for share, largest, order in ((0.8, 0.0, False), (0.5, 0.2, True), (0.3, 0.0, False)):
            capacity = int(share * needed)
            plan = ways.plan(capacity, int(largest * capacity), 400, weights_first=order)
            if plan is not None:
                assert plan.feature_words <= capacity
                memories = Memories(ways.planner, plan)
                memories.run()
                words = memories.words(plan.graph.output, 0, plan.maps[plan.graph.output].words)
                assert set(words) <= set(memories.inside.values())
                plans += 1
                outside += bool(plan.spilled)
    assert plans > 30 and outside > 15


def test_a_row_of_padding_reads_something() -> None:
    node = layered_network("one", (4, 4, 1), [(3, 1)]).nodes[0]
    assert isinstance(node, Convolution)
    node = replace(node, padding=(3, 0, 3, 0))
    assert all(0 <= low < high <= 4 for low, high in (rows_read(node, (row, row + 1), 4) for row in range(8)))


def budget(blocks: int, words: int = 1 << 20) -> Budget:
    memory = IdealMemory(words=words, latency=5, interval=2)
    return replace(board_budget(find_board("ulx3s-85f")), block_rams=blocks, external=memory)


def test_maps_larger_than_the_external_memory() -> None:
    graph = layered_network("large", (40, 40, 8), [(1, 16), (3, 16), "pool", "pool", "pool", "pool", 10])
    assert compile_graph(graph, budget(14), array=(2, 8, 4), depth=1).config.spilling
    with pytest.raises(UserError, match=r"the weights and maps outside .* need 0\.\d MiB, the external memory of ulx3s-85f has 0\.0"):
        compile_graph(graph, budget(14, 1 << 11), array=(2, 8, 4), depth=1)


def test_the_output_must_fit() -> None:
    graph = layered_network("wide", (40, 40, 8), [(3, 16), (3, 16)])
    with pytest.raises(UserError, match="the output map of node 'conv1' must lie in the feature buffer"):
        compile_graph(graph, budget(12), array=(2, 8, 4), depth=1)
