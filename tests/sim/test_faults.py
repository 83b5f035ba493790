"""Wrong bits in the weight memory: where they are, what they mean, and what the network makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from macaw.boards.catalog import find_board
from macaw.compiler.compilation import Compilation, compile_graph
from macaw.compiler.graph import Convolution
from macaw.compiler.model_import import import_model
from macaw.hw.formats import FORMATS
from macaw.scripts.build_folder import board_budget
from macaw.sim.faults import STORAGES, FaultyNetwork, bit_error_rate, faulty_image, undefined_codes
from macaw.sim.golden_network import GoldenNetwork, quantize_input
from macaw.sim.weight_cells import WeightCells

EXAMPLES = Path(__file__).parents[2] / "examples"
MODELS = {
    "digits/digits_int8.onnx": (3, 5, 3),
    "ecg/ecg_binary.onnx": (2, 4, 8),
    "ecg/ecg_binary_classifier.onnx": (2, 8, 8),
}


def compiled(name: str, array: tuple[int, int, int]) -> Compilation:
    return compile_graph(import_model(EXAMPLES / name, None), board_budget(find_board("ulx3s-85f")), array=array)


@pytest.fixture(scope="module")
def digits() -> Compilation:
    return compiled("digits/digits_int8.onnx", (3, 5, 3))


@pytest.mark.parametrize("name", MODELS)
def test_the_image_decodes_to_the_weights(name: str) -> None:
    compilation = compiled(name, MODELS[name])
    cells = WeightCells(compilation)
    weights = cells.decode(compilation.program.weights)
    layers = [node for node in compilation.graph.nodes if isinstance(node, Convolution)]
    assert list(weights) == [node.output for node in layers]
    for node in layers:
        np.testing.assert_array_equal(weights[node.output], node.weights, err_msg=node.name)
    widths = [cells.formats()[node.output].width for node in layers]
    assert len(cells.bits) == sum(node.weights.size * width for node, width in zip(layers, widths, strict=True))
    spread = sum(node.weights.size for node in layers if node.product == "int8xbinary")
    assert (cells.copies == 8).sum() == spread and (cells.copies == 1).sum() == len(cells.bits) - spread
    assert len(np.unique(cells.bits)) == len(cells.bits)


def test_an_inverted_bit_is_one_wrong_weight(digits: Compilation) -> None:
    cells = WeightCells(digits)
    image = digits.program.weights
    right = cells.decode(image)
    for place in (0, 7, 5000, len(cells.bits) - 1):
        draws = np.ones(len(cells.bits))
        draws[place] = 0
        wrong, count = faulty_image(image, cells, draws, 1e-6)
        assert count == 1 and np.bitwise_count(wrong ^ image).sum() == 1
        found = cells.decode(wrong)
        differences = np.concatenate([(found[name].astype(int) ^ right[name]).reshape(-1) & 255 for name in cells.layers])
        assert np.flatnonzero(differences).tolist() == [place // 8]
        assert differences[place // 8] == 1 << place % 8


def test_all_bits_inverted_are_all_binary_weights_negated() -> None:
    compilation = compiled("ecg/ecg_binary.onnx", MODELS["ecg/ecg_binary.onnx"])
    cells, image = WeightCells(compilation), compilation.program.weights
    wrong, count = faulty_image(image, cells, np.zeros(len(cells.bits)), 0.5)
    assert count == len(cells.bits)
    for name, values in cells.decode(image).items():
        np.testing.assert_array_equal(cells.decode(wrong)[name], -values)
    assert np.array_equal(faulty_image(wrong, cells, np.zeros(len(cells.bits)), 0.5)[0], image)


def test_without_errors_it_is_the_golden_network(digits: Compilation) -> None:
    cells = WeightCells(digits)
    with np.load(EXAMPLES / "digits" / "heldout.npz") as heldout:
        integers = quantize_input(digits.graph, heldout["image"][:20])
    wanted = GoldenNetwork(digits.graph, digits.certified).run(integers)
    found = FaultyNetwork(digits, cells.decode(digits.program.weights)).run(integers)
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_sums_wrap_where_the_accumulator_ends(digits: Compilation) -> None:
    """All weights 127: sums that no right weights of this network reach."""
    integers = np.full((1, *digits.graph.tensors[digits.graph.input].shape), 127, np.int8)
    right = WeightCells(digits).decode(digits.program.weights)
    weights = {name: np.full_like(values, 127) for name, values in right.items()}
    network = FaultyNetwork(digits, weights)
    plain = GoldenNetwork(network.graph, digits.certified)
    limit = 1 << digits.config.accumulator_width - 1
    seen: list[int] = []
    for node in digits.graph.nodes:
        if isinstance(node, Convolution):
            sums = np.array([limit, limit - 1, -limit, -limit - 1])[:, None] + np.zeros(len(node.weights), np.int64)
            wrapped = network._requantized(node.output, sums)
            expected = plain._requantized(node.output, np.where(sums == limit, -limit, np.where(sums < -limit, limit - 1, sums)))
            np.testing.assert_array_equal(wrapped, expected)
            seen.append(int((wrapped[0] != wrapped[1]).sum()))
    assert any(seen)
    assert network.run(integers)[digits.graph.output].shape == (1, *digits.graph.tensors[digits.graph.output].shape)


def test_larger_rates_and_one_device_invert_more_bits(digits: Compilation) -> None:
    cells = WeightCells(digits)
    draws = np.random.default_rng(3).random(len(cells.bits))
    image = digits.program.weights
    before = np.zeros_like(image)
    for rate in (1e-5, 1e-3, 1e-2, 0.1, 0.5):
        inverted = {storage: faulty_image(image, cells, draws, bit_error_rate(storage, rate))[0] ^ image for storage in STORAGES}
        assert not (before & ~inverted["1t1r"]).any()
        assert not (inverted["2t2r"] & ~inverted["1t1r"]).any()
        before = inverted["1t1r"]
    share = np.bitwise_count(before).sum() / len(cells.bits)
    assert 0.49 < share < 0.51


def test_rates_of_a_pair() -> None:
    """Q(sqrt(2) z) of Q(z), against pairs of normal numbers; two decades at 1e-3."""
    generator = np.random.default_rng(1)
    z = 1.6448536269514722
    one, other = generator.normal(z, 1, 1_000_000), generator.normal(-z, 1, 1_000_000)
    assert abs((one < 0).mean() - 0.05) < 1e-3
    assert abs((one < other).mean() - bit_error_rate("2t2r", 0.05)) < 5e-4
    assert 100 < 1e-3 / bit_error_rate("2t2r", 1e-3) < 300
    for storage in STORAGES:
        assert bit_error_rate(storage, 0) == 0 and bit_error_rate(storage, 0.5) == 0.5
    with pytest.raises(ValueError, match="storage is one of 1t1r, 2t2r"):
        bit_error_rate("sram", 0.1)
    with pytest.raises(ValueError, match="within 0 to 0.5"):
        bit_error_rate("1t1r", 0.6)


def test_codes_without_a_meaning() -> None:
    assert undefined_codes(FORMATS) == ["ternary"]
