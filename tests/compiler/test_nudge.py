"""TensorFlow Lite's roundings through the solver: layers on both sides of the zero point need the nudge, and get it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from macaw.compiler.certified_requantization import CertifiedRequantization
from macaw.compiler.graph import Convolution, Graph, Tensor
from macaw.compiler.problem import ModelError
from macaw.compiler.requantization import FixedPointRequantization, MeanRequantization, Requantization
from macaw.compiler.requantize import deviations, requantize
from macaw.compiler.requantizer_parameters import RequantizerParameters, requantizer_parameters
from macaw.hw.config import EngineConfig
from macaw.hw.errors import CheckFailed
from macaw.sim.golden.requantizer import requantizer


def network(*layers: Convolution) -> Graph:
    """Layers side by side on one input."""
    graph = Graph(name="g", source="g", input="x", output=layers[-1].output, nodes=list(layers))
    for name, channels in [("x", layers[0].weights.shape[-1])] + [(node.output, len(node.weights)) for node in layers]:
        graph.tensors[name] = Tensor(name=name, shape=(1, 1, channels), scale=1.0, zero_point=0)
    return graph


def layer(rule: Requantization, weights: Any, name: str = "y", bias: Any = 0) -> Convolution:
    array = np.asarray(weights, np.int8).reshape(len(weights), 1, 1, -1)
    biases = np.broadcast_to(np.asarray(bias, np.int64), len(array)).copy()
    return Convolution(
        name=name, operator="CONV_2D", input="x", output=name, weights=array, bias=biases, requantization=rule
    )


def tensorflow_lite(generator: np.random.Generator, channels: int, name: str = "y", **options: Any) -> Convolution:
    """A layer with multipliers and shifts of its own for each channel, outputs spread over int8."""
    weights = generator.integers(-127, 128, (channels, 60))
    real = 127 / np.abs(weights).sum(1) / 128 * generator.uniform(1, 6, channels)
    fraction, exponent = np.frexp(real)
    rule = FixedPointRequantization(
        multiplier=np.rint(fraction * 2**31).astype(np.int64), shift=exponent.astype(np.int64), **options
    )
    return layer(rule, weights, name, generator.integers(-5000, 5000, channels))


def engine(chosen: RequantizerParameters) -> EngineConfig:
    return EngineConfig(p=1, m=1, n=1, **asdict(chosen))


def check_everywhere(certified: CertifiedRequantization) -> None:
    """Engine's formula and reference on every reachable accumulator."""
    assert certified.exact
    for channel in range(len(certified.multiplier)):
        a = np.arange(certified.accumulator_low[channel], certified.accumulator_high[channel] + 1)
        one = slice(channel, channel + 1)
        mine = requantizer(
            a[:, None], certified.multiplier[one], certified.offset[one], certified.shift[one], certified.low,
            certified.high, certified.pivot, certified.nudge,
        )[:, 0]  # fmt: skip
        assert np.array_equal(mine, certified.reference.outputs(a + certified.constant[channel], channel))


def solved(graph: Graph) -> dict[str, CertifiedRequantization]:
    result = {}
    for name, certified in requantize(graph, engine(requantizer_parameters(graph))).items():
        assert isinstance(certified, CertifiedRequantization)
        check_everywhere(certified)
        result[name] = certified
    return result


@pytest.mark.parametrize("zero_point", [-17, 0, 96, -120, 120])
def test_two_roundings_on_both_sides_of_the_zero_point(zero_point: int) -> None:
    graph = network(tensorflow_lite(np.random.default_rng(1), 12, zero_point=zero_point))
    chosen = requantizer_parameters(graph)
    assert 0 < chosen.nudge <= chosen.multiplier_width <= 27
    certified = solved(graph)["y"]
    assert certified.pivot == zero_point
    assert deviations(graph, {"y": certified}) == []


def test_no_nudge_where_none_is_needed() -> None:
    generator = np.random.default_rng(2)
    for options in ({"zero_point": -128}, {"zero_point": 5, "low": 5}, {"zero_point": 5, "rounding": "single"}):
        graph = network(tensorflow_lite(generator, 6, **options))
        assert requantizer_parameters(graph).nudge == 0
        assert solved(graph)["y"].pivot == -128


def test_layers_with_and_without_nudge_share_the_engine() -> None:
    generator = np.random.default_rng(3)
    graph = network(
        tensorflow_lite(generator, 8, "a", zero_point=-128),
        tensorflow_lite(generator, 8, "b", zero_point=20),
        tensorflow_lite(generator, 8, "c", zero_point=3, rounding="single"),
    )
    assert {name: rule.pivot for name, rule in solved(graph).items()} == {"a": -128, "b": 20, "c": -128}


@pytest.mark.parametrize("count", [2, 4, 6, 9, 64, 100])
def test_mean_rounds_away_from_zero_on_a_steeper_line(count: int) -> None:
    weights = np.ones((3, count))
    rule = MeanRequantization(zero_point=0, count=np.full(3, count))
    certified = solved(network(layer(rule, weights)))["y"]
    assert certified.pivot == -128
    assert (certified.multiplier / 2.0**certified.shift > (1 - count % 2) / count).all()


def test_layer_beside_a_channel_that_no_line_equals() -> None:
    """An engine without nudge names what is missing; constant channels do not disturb."""
    generator = np.random.default_rng(4)
    node = tensorflow_lite(generator, 5, zero_point=0)
    node.weights[2] = 0
    graph = network(node)
    chosen = requantizer_parameters(graph)
    assert solved(graph)["y"].multiplier[2] == 0
    with pytest.raises(ModelError, match=r"and nudge 0: channel 0 has no exact one"):
        requantize(graph, replace(engine(chosen), nudge=0), strict=True)


def test_certify_notices_pivot_and_nudge() -> None:
    certified = solved(network(tensorflow_lite(np.random.default_rng(5), 4, zero_point=10)))["y"]
    certified.certify()
    for wrong in ({"pivot": -128}, {"pivot": 9}, {"pivot": 11}, {"nudge": certified.nudge - 1}):
        with pytest.raises(CheckFailed, match="layer 'y', channel 0"):
            replace(certified, **wrong).certify()  # type: ignore[arg-type]
