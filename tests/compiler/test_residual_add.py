"""Residual addition: exact on every pair of inputs, or the nearest with every pair counted."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from macaw.compiler.addition_table import tflite_add_table
from macaw.compiler.addition_weights import addition_candidates
from macaw.compiler.certified_addition import CertifiedAddition, balanced_digits
from macaw.compiler.graph import Add, Concat, Graph, Tensor
from macaw.compiler.problem import ModelError
from macaw.compiler.requantize import deviations, input_ranges, requantize, required_accumulator_width
from macaw.compiler.requantizer_parameters import requantizer_parameters
from macaw.hw.config import EngineConfig
from macaw.hw.errors import CheckFailed
from macaw.sim.golden.requantizer import requantizer

VALUES = np.arange(-128, 128)


def graph(table: Any, weights: tuple[float, float], zero_point: int = 0, low: int = -128, high: int = 127) -> Graph:
    """One addition of the input with itself."""
    result = Graph(name="g", source="g", input="x", output="y")
    result.nodes.append(
        Add(
            name="join", operator="ADD", input="x", second="x", output="y", table=np.asarray(table, np.int8),
            weights=weights, zero_point=zero_point, low=low, high=high,
        )
    )  # fmt: skip
    for name in "xy":
        result.tensors[name] = Tensor(name=name, shape=(2, 3, 5), scale=1.0, zero_point=zero_point)
    return result


def generic() -> Graph:
    """An addition with factors that make no ties."""
    table = tflite_add_table((np.float32(0.317), np.float32(0.731), np.float32(0.619)), (3, -4, 5), -128, 127, "tflm")
    return graph(table, (0.317 / 0.619, 0.731 / 0.619))


def fitting_engine(network: Graph) -> EngineConfig:
    width = max(required_accumulator_width(network), 12)
    return EngineConfig(p=1, m=1, n=1, accumulator_width=width, **asdict(requantizer_parameters(network)))


def engine_table(certified: CertifiedAddition) -> Any:
    """Every pair through the golden requantizer, the sum made of the digits as the taps make it."""
    (first_high, first_low), (second_high, second_low) = certified.digits
    a, b = VALUES[:, None], VALUES[None, :]
    sums = ((a * first_high + b * second_high) << 8) + a * first_low + b * second_low
    one = slice(0, 1)
    return requantizer(
        sums[..., None], certified.multiplier[one], certified.offset[one], certified.shift[one], certified.low,
        certified.high, certified.pivot, certified.nudge,
    )[..., 0]  # fmt: skip


@pytest.mark.parametrize("rounding", ["tflm", "single"])
@pytest.mark.parametrize("seed", range(12))
def test_tensorflow_lite_on_every_pair(seed: int, rounding: str) -> None:
    generator = np.random.default_rng(seed)
    first, second, output = (np.float32(2.0**exponent) for exponent in generator.uniform(-3, 3, 3))
    second = first if seed % 4 == 0 else second
    zero_points = (
        int(generator.integers(-128, 128)),
        int(generator.integers(-128, 128)),
        int(generator.integers(-128, 128)),
    )
    low, high = sorted(map(int, generator.integers(-128, 128, 2))) if seed % 3 == 0 else (-128, 127)
    table = tflite_add_table((first, second, output), zero_points, low, high, rounding)
    network = graph(table, (float(first / output), float(second / output)), zero_points[2], low, high)
    config = fitting_engine(network)
    certified = requantize(network, config)["y"]
    assert isinstance(certified, CertifiedAddition)
    assert certified.exact
    assert np.array_equal(engine_table(certified), table)
    assert np.array_equal(certified.outputs, table)
    assert certified.accumulator_width <= config.accumulator_width
    assert len(certified.multiplier) == len(certified.offset) == len(certified.shift_code) == 5
    assert deviations(network, {"y": certified}) == []


def test_accumulator_width_holds_every_partial_sum() -> None:
    network = generic()
    certified = requantize(network, fitting_engine(network))["y"]
    assert isinstance(certified, CertifiedAddition)
    factors = [f for high, low in certified.digits for f in (256 * high, low)]
    worst = max(sum(max(-128 * f, 127 * f, 0) for f in factors), -sum(min(-128 * f, 127 * f, 0) for f in factors) - 1)
    assert certified.accumulator_width == worst.bit_length() + 1


def test_only_the_values_that_the_inputs_can_hold_count() -> None:
    """Behind two Relus the inputs are at least their zero points: fewer pairs, smaller weights."""
    node = generic().nodes[0]
    assert isinstance(node, Add)
    every = addition_candidates(node, (-128, 127), (-128, 127))
    few = addition_candidates(node, (100, 127), (90, 127))
    assert few.accumulator_width < every.accumulator_width


def test_half_to_even_has_no_line_and_is_counted() -> None:
    sums = np.rint((VALUES[:, None] + VALUES[None, :]) / 2)
    network = graph(sums, (0.5, 0.5))
    config = fitting_engine(network)
    certified = requantize(network, config)["y"]
    assert isinstance(certified, CertifiedAddition)
    mine = engine_table(certified)
    assert np.count_nonzero(mine != sums) == certified.difference_count > 0
    assert certified.largest_difference == 1
    assert certified.difference_count < 65536 // 4 + 1
    (deviation,) = deviations(network, {"y": certified})
    assert (deviation.node, deviation.steps) == ("join", 1)
    assert f"{certified.difference_count} of the 65536 pairs" in deviation.reason
    with pytest.raises(ModelError, match=r"node 'join' \(ADD, factors 0.5 and 0.5\): no exact addition .*no weights"):
        requantize(network, config, strict=True)


def test_tensorflow_lite_with_factors_that_make_ties_is_counted() -> None:
    """Scales of 0.3, 0.7 and 0.6: sums near exact halves, which the roundings of both inputs decide."""
    table = tflite_add_table((np.float32(0.3), np.float32(0.7), np.float32(0.6)), (3, -4, 5), -128, 127, "tflm")
    network = graph(table, (0.3 / 0.6, 0.7 / 0.6), 5)
    certified = requantize(network, fitting_engine(network))["y"]
    assert isinstance(certified, CertifiedAddition)
    assert 0 < np.count_nonzero(engine_table(certified) != table) == certified.difference_count < 3300
    assert certified.largest_difference == 1


def test_what_no_line_comes_near_is_refused() -> None:
    table = np.where(VALUES[:, None] + VALUES[None, :] > 0, 127, np.where(VALUES[:, None] > 0, 60, -128))
    network = graph(np.maximum.accumulate(table, axis=1), (0.5, 0.01))
    with pytest.raises(ModelError, match="no weights and no multiplier"):
        requantize(network, EngineConfig(p=1, m=1, n=1))


def test_too_narrow_an_engine_is_told_what_is_needed() -> None:
    network = generic()
    config = fitting_engine(network)
    for narrow in ({"accumulator_width": 12}, {"shifts": (5,)}, {"multiplier_width": 8, "shifts": (30, 31)}):
        with pytest.raises(
            ModelError, match=r"it needs a multiplier of \d+ bits with shift \d+ and accumulators of \d+"
        ):
            requantize(network, replace(config, **narrow))


def test_certify_finds_what_is_wrong() -> None:
    network = generic()
    certified = requantize(network, fitting_engine(network))["y"]
    assert isinstance(certified, CertifiedAddition)
    certified.certify()
    channels = certified.multiplier.copy()
    channels[3] += 1
    for wrong in (
        {"offset": certified.offset + 2 ** int(certified.shift[0])},
        {"weights": (certified.weights[0] + 3, certified.weights[1])},
        {"difference_count": 1},
        {"multiplier": channels},
    ):
        with pytest.raises(CheckFailed, match="Residual addition 'join'"):
            replace(certified, **wrong).certify()


@pytest.mark.parametrize("weight", [0, 1, 127, 128, 255, 256, 2764, 32639, -32896, -129])
def test_balanced_digits(weight: int) -> None:
    high, low = balanced_digits(weight)
    assert 256 * high + low == weight
    assert -128 <= high <= 127
    assert -128 <= low <= 127


def test_ranges_through_additions_and_concatenations() -> None:
    table = np.clip(VALUES[:, None] + VALUES[None, :], -20, 100)
    network = graph(table, (1.0, 1.0), 0, -20, 100)
    network.nodes.append(Concat(name="all", operator="CONCATENATION", input="y", output="z", others=("x", "y")))
    network.nodes.append(replace(network.nodes[0], input="y", second="y", output="w"))  # type: ignore[call-arg]
    assert input_ranges(network) == {"x": (-128, 127), "y": (-20, 100), "z": (-128, 127), "w": (-20, 100)}
