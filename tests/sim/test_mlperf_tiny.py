"""MLPerf Tiny's int8 models as RTL, against golden model and stored outputs; `regress --full` takes the compiler's engines.

The golden model alone: test_tflite_networks.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from macaw.compiler.model_import import import_model
from macaw.scripts.benchmark import Benchmark, network_size, run_benchmark
from macaw.scripts.staged_data import load_staged

DATA = Path(__file__).parents[2].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not (DATA / "mlperf_tiny").is_dir(), reason="the models and reference outputs are not in ../shared/data"
)

MODELS = {
    "mlperf_tiny/ic_resnet8_int8": (12_501_632, 77_360),
    "mlperf_tiny/kws_dscnn_int8": (2_656_768, 22_016),
    "mlperf_tiny/ad_autoencoder_int8": (264_192, 264_192),
    "mlperf_tiny/vww_mobilenet025_int8": (7_489_664, 208_112),
    "mlperf_tiny/sww_dscnn1d_int8": (826_368, 46_040),
    "tflm/hello_world_int8": (288, 288),
    "tflm/micro_speech_int8": (336_000, 16_640),
}
"""Multiplications and weights, as their publishers' descriptions have them."""


def silent(stage: str, fraction: float, text: str) -> None:
    """No progress."""


@pytest.mark.parametrize("name", MODELS)
def test_size(name: str) -> None:
    assert network_size(import_model(DATA / f"{name}.tflite")) == MODELS[name]


def rtl_is_equal(name: str, plan: Benchmark, folder: Path) -> None:
    model = DATA / f"{name}.tflite"
    row = run_benchmark(model, "ulx3s-85f", plan, folder, progress=silent)
    assert row["rtl_inputs"] == plan.rtl_inputs and row["layer_inputs"] == plan.layer_inputs and row["layers"] > 0
    assert row["rtl_differences"] == row["reference_differences"] == row["layer_reference_differences"] == 0
    assert row["cycles"] == row["predicted_cycles"] and row["deviations"] == 0
    if row["accuracy"]:
        assert row["accuracy"]["golden"] == row["accuracy"]["reference"]
        assert len(set(row["rtl_accuracy"].values())) == 1


@pytest.mark.parametrize(("name", "array"), [("tflm/hello_world_int8", (1, 4, 4)), ("mlperf_tiny/kws_dscnn_int8", (5, 4, 4))])
def test_rtl(name: str, array: tuple[int, int, int], tmp_path: Path) -> None:
    """Two inputs through a small engine, every layer of one; golden model and reference take all."""
    rtl_is_equal(name, Benchmark(boards=(), array=array, rtl_inputs=2, layer_inputs=1), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_rtl_of_the_compilers_choice(name: str, tmp_path: Path) -> None:
    rtl_is_equal(name, Benchmark(boards=(), rtl_inputs=10, layer_inputs=1), tmp_path)


def test_inputs_of_each_kind() -> None:
    """uint8 pictures become int8; keyword features become real numbers for a model that takes them."""
    model = DATA / "mlperf_tiny" / "ic_resnet8_int8.tflite"
    inputs, _ = load_staged(model, import_model(model))
    with np.load(model.with_name("ic_resnet8_int8_ref.npz")) as archive:
        np.testing.assert_array_equal(inputs.values.astype(int) + 128, archive["inputs_u8"])
    keywords = DATA / "ort_qdq" / "kws_dscnn_qdq_u8s8.onnx"
    features, _ = load_staged(keywords, import_model(keywords))
    assert features.values.dtype == np.float32 and features.values.shape == (1000, 49, 10, 1)
