"""The requantization solver: exact on every reachable accumulator, or the nearest with every difference named."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macaw.compiler.certified_requantization import CertifiedRequantization
from macaw.compiler.graph import Convolution, Graph, MaxPool, Tensor
from macaw.compiler.layer_requantization import accumulator_width, reachable_accumulators, requantize_layer
from macaw.compiler.problem import ModelError
from macaw.compiler.requantization import FloatRequantization
from macaw.compiler.requantize import deviations, requantize, required_accumulator_width
from macaw.compiler.requantizer_parameters import requantizer_parameters
from macaw.hw.config import EngineConfig
from macaw.hw.errors import CheckFailed
from macaw.sim.golden.requantizer import requantizer

CONFIG = EngineConfig(p=1, m=1, n=1, multiplier_width=30, shifts=(12, 20, 30, 36))


def layer(weights: Any, scale: Any, bias: Any = 0, **options: Any) -> Convolution:
    """A layer with weights (outputs, kernel height, kernel width, inputs); other options go to its requantization."""
    array = np.asarray(weights, np.int8)
    array = array.reshape(len(array), 1, 1, -1) if array.ndim < 4 else array
    padding = options.pop("padding", (0, 0, 0, 0))
    kind = np.float64 if options.get("ties_up") else np.float32
    scales = np.broadcast_to(np.asarray(scale, kind), len(array)).copy()
    return Convolution(
        name="conv3",
        operator="Conv",
        input="x",
        output="y",
        weights=array,
        bias=np.broadcast_to(np.asarray(bias, np.int64), len(array)).copy(),
        requantization=FloatRequantization(scale=scales, **{"zero_point": 0} | options),
        padding=padding,
    )


def solved(graph: Graph, config: EngineConfig) -> dict[str, CertifiedRequantization]:
    """The requantization of a graph without additions."""
    result = {}
    for name, certified in requantize(graph, config).items():
        assert isinstance(certified, CertifiedRequantization)
        result[name] = certified
    return result


def check_everywhere(certified: CertifiedRequantization) -> None:
    """Brute force: engine and reference on every reachable accumulator."""
    for channel in range(len(certified.multiplier)):
        a = np.arange(certified.accumulator_low[channel], certified.accumulator_high[channel] + 1)
        one = slice(channel, channel + 1)
        engine = requantizer(
            a[:, None],
            certified.multiplier[one],
            certified.offset[one],
            certified.shift[one],
            certified.low,
            certified.high,
        )[:, 0].astype(np.int64)
        wanted = certified.reference.outputs(a + certified.constant[channel], channel)
        named = {d.accumulator: d for d in certified.differences() if d.channel == channel}
        assert set(a[engine != wanted].tolist()) == set(named)
        assert len(named) == certified.difference_count[channel]
        for index in np.flatnonzero(engine != wanted):
            difference = named[int(a[index])]
            assert (difference.engine, difference.reference) == (engine[index], wanted[index])


@settings(deadline=None, max_examples=150)
@given(
    weights=st.lists(st.lists(st.integers(-128, 127), min_size=6, max_size=6), min_size=1, max_size=3),
    scale_bits=st.floats(-16.0, 1.0),
    zero_point=st.integers(-128, 127),
    output_zero_point=st.integers(-128, 127),
    bias=st.integers(-(2**20), 2**20),
    bounds=st.tuples(st.integers(-128, 127), st.integers(-128, 127)).map(sorted),
    input_bounds=st.tuples(st.integers(-128, 127), st.integers(-128, 127)).map(sorted),
    ties_up=st.booleans(),
)
def test_equal_on_every_reachable_accumulator(
    weights: list[list[int]],
    scale_bits: float,
    zero_point: int,
    output_zero_point: int,
    bias: int,
    bounds: list[int],
    input_bounds: list[int],
    ties_up: bool,
) -> None:
    low, high = bounds
    options = {"zero_point": output_zero_point, "low": low, "high": high, "ties_up": ties_up}
    node = layer(weights, 2.0**scale_bits, bias, **options)
    try:
        certified = requantize_layer(node, zero_point, (input_bounds[0], input_bounds[1]), CONFIG)
    except ModelError as error:
        assert "no exact requantization" in str(error)
        return
    certified.certify()
    check_everywhere(certified)
    assert (certified.multiplier >= 0).all()
    assert (certified.multiplier < 2**CONFIG.multiplier_width).all()
    assert (np.abs(certified.offset) < 2 ** (CONFIG.offset_width - 1)).all()


def test_smallest_multiplier_of_the_smallest_shift() -> None:
    """Brute force over all multipliers and offsets of the smallest shifts."""
    generator = np.random.default_rng(1)
    config = replace(CONFIG, shifts=(2, 4, 5, 6))
    solved = 0
    for _ in range(30):
        node = layer(generator.integers(-2, 3, (1, 3)), generator.uniform(0.1, 0.6), generator.integers(-5, 6))
        try:
            certified = requantize_layer(node, 0, (-2, 3), config, strict=True)
        except ModelError:
            continue
        a = np.arange(certified.accumulator_low[0], certified.accumulator_high[0] + 1)
        wanted = node.requantization.outputs(a + certified.constant[0], 0)
        solutions = [
            (code, multiplier)
            for code, shift in enumerate(config.shifts)
            for multiplier in range(2**shift)
            if _has_offset(a, multiplier, shift, wanted)
        ]
        assert solutions[0] == (certified.shift_code[0], certified.multiplier[0])
        solved += 1
    assert solved > 10


def _has_offset(a: Any, multiplier: int, shift: int, wanted: Any) -> bool:
    offsets = np.arange(-(20 << shift), 20 << shift)
    return bool((np.clip((a * multiplier + offsets[:, None]) >> shift, -128, 127) == wanted).all(1).any())


def test_constant_channel_needs_no_multiplier() -> None:
    certified = requantize_layer(layer([[0, 0], [5, -7]], 0.01, [700, 3]), 3, (-128, 127), CONFIG)
    assert certified.multiplier[0] == 0
    assert certified.shift[0] == 12
    assert certified.accumulator_low[0] == certified.accumulator_high[0] == 0
    check_everywhere(certified)


def test_channel_with_one_step_and_with_none() -> None:
    node = layer([[1], [1], [1]], [0.003, 0.001, 0.001], [0, 0, 10**6])
    certified = requantize_layer(node, 0, (-128, 200 - 73), CONFIG)
    check_everywhere(certified)
    assert certified.multiplier[1] == 0  # every sum rounds to 0
    assert certified.multiplier[2] == 0  # every sum is above the highest output


def test_steps_below_a_fused_relu_do_not_constrain() -> None:
    weights = np.random.default_rng(2).integers(-128, 128, (1, 30))
    bits = []
    for low in (-128, 0):
        certified = requantize_layer(layer(weights, 0.0005, low=low), 0, (-128, 127), CONFIG)
        check_everywhere(certified)
        bits.append(int(certified.multiplier[0]).bit_length())
    assert bits[1] <= bits[0]


def test_thousand_channels_are_solved_and_certified_quickly() -> None:
    generator = np.random.default_rng(3)
    weights = generator.integers(-127, 128, (1000, 3, 3, 16))
    spread = np.abs(weights.astype(np.int64)).reshape(1000, -1).sum(1) * 128
    node = layer(weights, 255 / spread * generator.uniform(1, 8, 1000), generator.integers(-5000, 5000, 1000))
    graph = one_layer(node)
    started = time.perf_counter()
    config = replace(CONFIG, shifts=(33, 35, 37, 39), multiplier_width=29)
    certified = solved(graph, config)["y"]
    assert time.perf_counter() - started < 15  # 3 s alone on a slow core
    assert np.count_nonzero(certified.difference_count) < 200  # half-to-even ties of float32 without any solution
    assert certified.difference_count.max() < 30
    for channel in generator.integers(0, 1000, 5):
        a = np.arange(certified.accumulator_low[channel], certified.accumulator_high[channel] + 1)
        exact = (a * certified.multiplier[channel] + certified.offset[channel]) >> certified.shift[channel]
        wanted = certified.reference.outputs(a + certified.constant[channel], int(channel))
        assert np.count_nonzero(np.clip(exact, -128, 127) != wanted) == certified.difference_count[channel]


def one_layer(node: Convolution, zero_point: int = 0) -> Graph:
    graph = Graph(name="g", source="g.onnx", input="x", output=node.output, nodes=[node])
    for name, channels in (("x", node.weights.shape[-1]), ("y", len(node.weights))):
        graph.tensors[name] = Tensor(name=name, shape=(3, 3, channels), scale=1.0, zero_point=zero_point)
    return graph


def test_ties_without_a_solution_are_named_or_refused() -> None:
    """scale 1/64, half to even: every second tie rounds against the line."""
    node = layer(np.ones((2, 8, 8, 1)), 1 / 64)
    graph = one_layer(node)
    certified = solved(graph, CONFIG)["y"]
    assert not certified.exact
    assert certified.difference_count.tolist() == [127, 127]
    check_everywhere(certified)
    (deviation,) = deviations(graph, {"y": certified})
    assert deviation.node == "conv3"
    assert deviation.steps == 1
    assert "254 of the 32642 reachable sums of 2 channels: 0, 1" in deviation.reason
    with pytest.raises(
        ModelError, match=r"node 'conv3' \(Conv, weights 2x8x8x1\): no exact requantization.*channel 0 has no"
    ):
        requantize(graph, CONFIG, strict=True)


def test_too_narrow_multiplier_names_the_channels_and_the_bits_they_need() -> None:
    weights = np.random.default_rng(4).integers(-128, 128, (6, 40))
    node = layer(weights, np.float32(0.0071357))
    config = replace(CONFIG, multiplier_width=8)
    expected = r"multiplier_width 8, shifts .* and nudge 0: channel 0 needs a multiplier of \d+ bits with shift \d+.* and 2 more channels"
    with pytest.raises(ModelError, match=expected):
        requantize(one_layer(node), config)


def test_too_narrow_accumulator_is_refused() -> None:
    node = layer(np.full((1, 64), 127), 0.001)
    with pytest.raises(ModelError, match="need accumulators of 21 bits, the engine has 20; use an engine"):
        requantize(one_layer(node), replace(CONFIG, accumulator_width=20))


def test_certify_finds_a_wrong_parameter() -> None:
    certified = requantize_layer(layer(np.arange(1, 30)[None], 0.01), 0, (-128, 127), CONFIG)
    certified.certify()
    for field in ("multiplier", "offset"):
        wrong = replace(certified, **{field: getattr(certified, field) + 2 ** int(certified.shift[0])})
        with pytest.raises(CheckFailed, match="layer 'conv3', channel 0"):
            wrong.certify()
    with pytest.raises(CheckFailed, match="channel 0"):
        replace(certified, difference_count=np.array([1])).certify()


def test_reachable_range_and_accumulator_width() -> None:
    node = layer([[3, -2], [0, 1]], 0.1)
    low, high = reachable_accumulators(node, 5, (0, 100))
    assert (low.tolist(), high.tolist()) == ([-200, 0], [300, 100])
    padded = layer([[3, -2], [0, 1]], 0.1, padding=(1, 0, 0, 0))
    low, high = reachable_accumulators(padded, -7, (0, 100))
    assert (low.tolist(), high.tolist()) == ([-221, -7], [314, 100])
    assert accumulator_width(node, 5, (0, 100)) == 10  # 300 needs 10 bits
    assert accumulator_width(layer([[1, -1]], 0.1), 0, (-128, 127)) == 9  # partial sums -128 .. 127 + 128 = 255
    # The sum is at most 10 * 100, but a partial sum can be the positive products alone.
    assert accumulator_width(layer([[10, 10, -10]], 0.1), 0, (100, 100)) == 12


def test_range_of_the_producer_is_used_through_max_pools() -> None:
    first = layer([[1]], 0.5, low=0, high=15)
    pool = MaxPool(name="pool", operator="MaxPool", input="y", output="p", kernel=(2, 2))
    second = replace(layer([[127]], 0.01), input="p", output="z")
    graph = one_layer(first)
    graph.nodes += [pool, second]
    graph.tensors["p"] = graph.tensors["z"] = graph.tensors["y"]
    certified = solved(graph, CONFIG)
    assert (certified["z"].accumulator_low[0], certified["z"].accumulator_high[0]) == (0, 127 * 15)
    assert required_accumulator_width(graph) == 12


def test_parameters_of_an_engine_for_a_graph() -> None:
    generator = np.random.default_rng(5)
    node = layer(generator.integers(-128, 128, (40, 50)), generator.uniform(0.0003, 0.01, 40))
    chosen = requantizer_parameters(one_layer(node))
    assert chosen.multiplier_width <= 28
    assert chosen.nudge == 0
    assert 1 <= len(set(chosen.shifts)) <= 8
    assert list(chosen.shifts) == sorted(chosen.shifts)
    requantize(one_layer(node), replace(CONFIG, **asdict(chosen)))
    narrower = replace(chosen, multiplier_width=chosen.multiplier_width - 2)
    with pytest.raises(ModelError):
        requantize(one_layer(node), replace(CONFIG, **asdict(narrower)))
