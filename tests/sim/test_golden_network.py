"""Golden networks against the reference outputs that trained models come with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from macaw.compiler.graph import Convolution, Graph
from macaw.compiler.onnx_import import import_onnx
from macaw.compiler.requantize import deviations
from macaw.sim.golden_network import GoldenNetwork, golden_network, model_output, quantize_input

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "digits"
KEYWORDS = ROOT.parent / "shared" / "data" / "ort_qdq" / "kws_dscnn_qdq_u8s8.onnx"


def network(path: Path) -> tuple[Graph, GoldenNetwork]:
    graph = import_onnx(path)
    return graph, golden_network(graph)


@pytest.mark.parametrize(("model", "answers"), [("digits_int8", "heldout"), ("digits_small_int8", "heldout_small")])
def test_digits_equal_onnx_runtime_on_every_logit(model: str, answers: str) -> None:
    heldout = np.load(DIGITS / f"{answers}.npz", allow_pickle=False)
    graph, golden = network(DIGITS / f"{model}.onnx")
    maps = golden.run(quantize_input(graph, heldout["image"]))
    np.testing.assert_array_equal(model_output(graph, maps[graph.output]), heldout["logits"])
    for name, tensor in graph.tensors.items():
        assert maps[name].shape == (360, *tensor.shape)
        assert maps[name].dtype == np.int8


@pytest.mark.skipif(not KEYWORDS.exists(), reason="the keyword-spotting model is not in ../shared/data")
def test_keyword_spotting_differs_only_by_ties_of_the_average_pool() -> None:
    """ONNX Runtime decides the ties of the average pool (24 x 5, one scale) by the noise of its float32 sums, which are
    not a function of the integer sum: 1 of 120 sums is a tie. With these sums in the pool's place every logit is equal.
    The recorded outputs come from another processor and differ in two samples.
    """
    data = np.load(KEYWORDS.with_name("kws_dscnn_qdq_u8s8_ref.npz"), allow_pickle=False)
    graph, golden = network(KEYWORDS)
    inputs = (data["inputs_int8"].astype(np.float32) - 83) * np.float32(0.5847029089927673)
    maps = golden.run(quantize_input(graph, inputs))
    output = model_output(graph, maps[graph.output])
    session = onnxruntime.InferenceSession(str(KEYWORDS), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    wanted = np.concatenate([session.run(None, {name: sample[None]})[0] for sample in inputs])
    assert np.count_nonzero((wanted != data["out_ort"]).any(axis=1)) <= 2
    np.testing.assert_array_equal(output.argmax(axis=1), wanted.argmax(axis=1))
    differ = output != wanted
    assert 0 < np.count_nonzero(differ.any(axis=1)) <= 80  # of 1000; 565 logits of 75 samples on a processor with VNNI
    assert np.count_nonzero(differ) <= 600
    listed = deviations(graph, golden.certified)
    assert [deviation.operator for deviation in listed if "averages in float32" in deviation.reason] == ["AveragePool"]

    place = next(index for index, node in enumerate(graph.nodes) if node.operator == "AveragePool")
    pool = graph.nodes[place]
    assert isinstance(pool, Convolution)
    source, target = graph.tensors[pool.input], graph.tensors[pool.output]
    real = (maps[pool.input].astype(np.int32) - source.zero_point).astype(np.float32) * np.float32(source.scale)
    rows, columns = pool.weights.shape[1:3]
    total = np.zeros((len(real), source.shape[2]), np.float32)
    for row in range(rows):
        for column in range(columns):
            total += real[:, row, column]
    steps = total / np.float32(rows * columns) / np.float32(target.scale) + np.float32(target.zero_point + 128)
    pooled = np.clip(np.rint(steps) - 128, -128, 127).astype(np.int8)
    rest = replace(graph, nodes=graph.nodes[place + 1 :], input=pool.output)
    logits = GoldenNetwork(rest, golden.certified).run(pooled.reshape(-1, *target.shape))[graph.output]
    np.testing.assert_array_equal(model_output(graph, logits), wanted)


def test_wrong_inputs_are_named() -> None:
    graph, golden = network(DIGITS / "digits_int8.onnx")
    with pytest.raises(ValueError, match=r"inputs must be int8, \(batch, 8, 8, 1\), not float32"):
        golden.run(np.zeros((1, 8, 8, 1), np.float32))
    with pytest.raises(ValueError, match=r"inputs must have shape \(batch, 1, 8, 8\)"):
        quantize_input(graph, np.zeros((1, 8, 8, 1), np.float32))


def test_input_rounds_half_to_even_and_saturates() -> None:
    graph, _ = network(DIGITS / "digits_int8.onnx")
    tensor = graph.tensors[graph.input]
    steps = np.array([0.5, 1.5, 2.5, -1.0, 400.0, np.inf, -np.inf], np.float32)
    x = np.zeros((1, 1, 8, 8), np.float32)
    x.reshape(-1)[: len(steps)] = steps * np.float32(tensor.scale)
    q = quantize_input(graph, x).reshape(-1)[: len(steps)]
    assert (q - tensor.zero_point).astype(int).tolist()[:3] == [0, 2, 2]
    assert q.tolist()[3:] == [-128, 127, 127, -128]
