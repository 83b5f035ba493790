"""External bytes of schedules, worked out by hand or counted tile by tile."""

from __future__ import annotations

import pytest

from macaw.sim.energy.layer_shape import LayerShape
from macaw.sim.energy.networks import NETWORKS
from macaw.sim.energy.schedule import Plan, Segment, Storage, Traffic, best_plan, fused_segment, layer_segments


def pointwise(rows: int, channels: int, outputs: int, name: str = "layer") -> LayerShape:
    return LayerShape(
        name=name, rows=rows, columns=10, channels=channels, outputs=outputs, kernel=(1, 1), padding=(0, 0)
    )


def test_papers_example() -> None:
    """Weights in 4 parts, features in 3: weights are loaded 3 times or features 4 times."""
    layer = pointwise(30, 10, 10)
    features, weights = layer.input_bytes // 3, layer.weight_bytes // 4
    first, second = layer_segments([layer], 0, Storage(features, weights), free=weights, pinned=False)
    assert (first.order, first.tiles, first.parts) == ("reuse features", 3, 4)
    assert first.traffic == Traffic(3 * layer.weight_bytes, layer.input_bytes, layer.stored_bytes)
    assert second.order == "reuse weights"
    assert second.traffic == Traffic(layer.weight_bytes, 4 * layer.input_bytes, layer.stored_bytes)


def test_shared_rows_are_read_by_both_tiles() -> None:
    layer = LayerShape(name="conv", rows=12, columns=8, channels=4, outputs=4)
    (segment,) = layer_segments([layer], 0, Storage(6 * 32, 1000), free=1000, pinned=False)
    # Tiles of 4 output rows need rows 0-4, 3-8, 7-11: at most 6 rows of 32 bytes.
    assert (segment.order, segment.tiles) == ("once", 3)
    assert segment.traffic == Traffic(layer.weight_bytes, (5 + 6 + 5) * 32, 12 * 32)


def test_fused_layers_keep_the_middle_map_on_chip() -> None:
    chain = [LayerShape(name=f"conv{k}", rows=16, columns=8, channels=4, outputs=4) for k in range(3)]
    storage = Storage(10 * 32, 10_000)
    segment = fused_segment(chain, 0, 3, storage, free=10_000, pinned=frozenset({1}))
    assert segment is not None and segment.order == "fused"
    # Output rows in tiles of 4, halo of three layers: input rows 0-6, 1-10, 5-14, 9-15.
    assert segment.tiles == 4
    assert segment.traffic == Traffic(2 * chain[0].weight_bytes, (7 + 10 + 10 + 7) * 32, 16 * 32)
    assert segment.rows == (6 + 8 + 8 + 6, 5 + 6 + 6 + 5, 16)
    apart = best_plan(chain, storage, lambda each: each.traffic.total, fuse=False)
    assert apart.traffic.features_read > 3 * 16 * 32 and apart.traffic.features_written == 3 * 16 * 32
    together = best_plan(chain, storage, lambda each: each.traffic.total)
    assert together.traffic.total < apart.traffic.total


def test_maps_that_fit_stay_on_chip() -> None:
    chain = [pointwise(4, 8, 8, f"layer{k}") for k in range(3)]
    plan = best_plan(chain, Storage(4 * 10 * 8, 64), lambda each: each.traffic.total, fuse=False)
    assert plan.traffic == Traffic(3 * 64, 320, 320)
    pinned = best_plan(
        chain, Storage(4 * 10 * 8, 64 + 64), lambda each: each.traffic.total, fuse=False, pinned=frozenset({1})
    )
    assert pinned.traffic == Traffic(2 * 64, 320, 320)


def test_steps_count_rows_computed_twice() -> None:
    layer = NETWORKS["vgg-11"][0]
    once = Plan((Segment(0, 1, "once", Traffic(), (layer.output_rows,)),))
    assert once.steps([layer], 8, 8, 8) == layer.steps(8, 8, 8) == 451_584
    twice = Plan((Segment(0, 1, "fused", Traffic(), (layer.output_rows + 2,)),))
    assert twice.steps([layer], 8, 8, 8) == 451_584 * 226 // 224


@pytest.mark.parametrize(
    ("storage", "pinned", "message"),
    [
        (
            Storage(79, 1000),
            frozenset(),
            "Layer layer0: one output row and its input rows need more than a feature buffer's 79 bytes",
        ),
        (Storage(1000, 64), frozenset({0}), "fill the weight buffer of 64 bytes"),
        (Storage(1000, 64), frozenset({0, 1}), "need 64 bytes more than the weight buffer's 64"),
    ],
)
def test_refusals(storage: Storage, pinned: frozenset[int], message: str) -> None:
    chain = [pointwise(4, 8, 8, f"layer{k}") for k in range(2)]
    with pytest.raises(ValueError, match=message):
        best_plan(chain, storage, lambda each: each.traffic.total, pinned=pinned)


def test_no_buffer() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        Storage(0, 1)
