"""Trained TensorFlow Lite models: the golden network against TensorFlow Lite Micro's staged outputs and maps."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from macaw.compiler.graph import Graph
from macaw.compiler.requantize import deviations
from macaw.compiler.tflite_file import load_tflite
from macaw.compiler.tflite_import import import_tflite
from macaw.sim.golden_network import GoldenNetwork, golden_network, model_output, quantize_input
from macaw.sim.tflite_reference import TfliteReference

DATA = Path(__file__).parents[2].parent / "shared" / "data"
MODELS = [
    "mlperf_tiny/ad_autoencoder_int8",
    "mlperf_tiny/ic_resnet8_int8",
    "mlperf_tiny/kws_dscnn_int8",
    "mlperf_tiny/sww_dscnn1d_int8",
    "mlperf_tiny/vww_mobilenet025_int8",
    "project_trained/ecg_cnn1d_int8",
    "project_trained/eegnet_mi_int8",
    "tflm/hello_world_int8",
    "tflm/micro_speech_int8",
]
OVERWRITTEN = {"mid_op02_CONV_2D_t24", "mid_op06_CONV_2D_t28", "mid_op10_CONV_2D_t32"}
"""Maps of ic_resnet8 that the interpreter that made the files overwrote with its ADD before they were saved."""

BATCH = 50

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the trained models are not in ../shared/data")


def network(name: str, rounding: str = "tflm") -> tuple[Graph, GoldenNetwork]:
    graph = import_tflite(DATA / f"{name}.tflite", rounding)
    golden = golden_network(graph, strict=True)
    assert deviations(graph, golden.certified) == []
    return graph, golden


def reference(name: str) -> dict[str, NDArray[np.generic]]:
    return dict(np.load(DATA / f"{name}_ref.npz", allow_pickle=False))


def inputs_of(data: dict[str, NDArray[np.generic]]) -> NDArray[np.int8]:
    if "inputs" in data:
        return data["inputs"].astype(np.int8)
    return (data["inputs_u8"].astype(np.int16) - 128).astype(np.int8)


def compare(name: str, count: int | None) -> None:
    data = reference(name)
    inputs = inputs_of(data)[:count]
    graph, golden = network(name)
    tensors = load_tflite(DATA / f"{name}.tflite").tensors
    maps_compared = 0
    for start in range(0, len(inputs), BATCH):
        batch = inputs[start : start + BATCH].reshape(-1, *graph.input_shape[1:])
        maps = golden.run(quantize_input(graph, batch))
        wanted = data["out_tflm"][start : start + len(batch)]
        np.testing.assert_array_equal(model_output(graph, maps[graph.output]), wanted.reshape(len(batch), *graph.output_shape[1:]))
        for key in data if start == 0 else ():
            tensor = tensors[int(key.rpartition("_t")[2])].name if key.startswith("mid_") else ""
            if tensor in maps and key not in OVERWRITTEN:
                found = maps[tensor][: len(data[key])]
                np.testing.assert_array_equal(found, data[key][: len(found)].reshape(found.shape), err_msg=key)
                maps_compared += 1
    assert maps_compared >= len(graph.nodes) - len(OVERWRITTEN)


@pytest.mark.parametrize("name", MODELS)
def test_first_outputs_and_all_maps(name: str) -> None:
    compare(name, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_all_staged_inputs(name: str) -> None:
    compare(name, None)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.skipif(importlib.util.find_spec("tflite_micro") is None, reason="tflite_micro is not installed")
def test_interpreter_shows_the_same_maps(name: str) -> None:
    """TensorFlow Lite Micro with all tensors preserved, which the staged maps are not everywhere."""
    graph, golden = network(name)
    batch = inputs_of(reference(name))[:1].reshape(-1, *graph.input_shape[1:])
    interpreter = TfliteReference(DATA / f"{name}.tflite", graph)
    for tensor, found in golden.run(quantize_input(graph, batch)).items():
        np.testing.assert_array_equal(found, interpreter.map(tensor, batch), err_msg=tensor)


def differing(name: str, rounding: str, other: str, count: int | None) -> int:
    """Inputs for which the golden network's output is not that of another interpreter."""
    data = reference(name)
    graph, golden = network(name, rounding)
    total = 0
    inputs = inputs_of(data)[:count]
    for start in range(0, len(inputs), BATCH):
        batch = inputs[start : start + BATCH].reshape(-1, *graph.input_shape[1:])
        found = model_output(graph, golden.run(quantize_input(graph, batch))[graph.output])
        total += int((found != data[other][start : start + len(batch)].reshape(found.shape)).reshape(len(batch), -1).any(1).sum())
    return total


def test_single_rounding_is_that_of_xnnpack() -> None:
    """Where TensorFlow Lite Micro rounds twice, LiteRT's default kernels round once."""
    name = "mlperf_tiny/kws_dscnn_int8"
    assert differing(name, "single", "out_litert_xnnpack", 100) == 0
    assert differing(name, "tflm", "out_litert_xnnpack", 100) > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_single_rounding_on_all_staged_inputs(name: str) -> None:
    """XNNPACK multiplies by float32 scales, which tells one input of 1,000 keywords and one of 64 images apart."""
    largest = 1 if name in ("mlperf_tiny/kws_dscnn_int8", "mlperf_tiny/vww_mobilenet025_int8") else 0
    assert differing(name, "single", "out_litert_xnnpack", None) <= largest
