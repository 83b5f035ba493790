"""Trained QONNX models: the golden network against the staged outputs and maps of the qonnx package's executor."""

from __future__ import annotations

import lzma
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from macaw.compiler.graph import Graph
from macaw.compiler.number_formats import choose_formats
from macaw.compiler.onnx_import import import_onnx
from macaw.compiler.problem import ModelError
from macaw.compiler.requantize import requantize, required_accumulator_width
from macaw.compiler.requantizer_parameters import requantizer_parameters
from macaw.hw.config import EngineConfig
from macaw.sim.golden_network import GoldenNetwork, model_output, quantize_input
from macaw.sim.qonnx_reference import QonnxReference

DATA = Path(__file__).parents[2].parent / "shared" / "data"
MODELS = {
    "qonnx/jet_mlp_w6a6": "",
    "qonnx/kws_mlp_w3a3": "",
    "qonnx/tfc_1w1a": "",
    "qonnx/tfc_1w2a": "",
    "qonnx/tfc_2w2a": "",
    "qonnx/unsw_mlp_w2a2": "",
    "project_trained/ecg_cnn1d_w4a4": "",
    "bnn_pynq/lfc_w1a1_mnist": "BIPOLAR",
    "bnn_pynq/cnv_w1a1_cifar10": "INT8",
    "bnn_pynq/cnv_w1a2_cifar10": "INT8",
}
"""Models, and the type of the input that the file does not state."""

EXACT = ("tfc", "lfc", "cnv", "unsw")
"""Integers all the way to the last sums; the others' factors are real, and the reference sums in float32."""

BATCH = 50

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the trained models are not in ../shared/data")


def model_path(name: str, folder: Path, datatype: str | None = None) -> Path:
    """The model, unpacked, its input annotated where the file says nothing about it."""
    datatype = MODELS[name] if datatype is None else datatype
    packed = DATA / f"{name}.onnx.xz"
    if not packed.exists():
        return DATA / f"{name}.onnx"
    model = onnx.load_from_string(lzma.open(packed).read())
    if datatype:
        annotation = model.graph.quantization_annotation.add()
        annotation.tensor_name = model.graph.input[0].name
        entry = annotation.quant_parameter_tensor_names.add()
        entry.key, entry.value = "finn_datatype", datatype
    path = folder / f"{Path(name).name}.onnx"
    onnx.save(model, path)
    return path


def network(graph: Graph) -> GoldenNetwork:
    config = EngineConfig(
        p=1,
        m=1,
        n=1,
        accumulator_width=max(12, required_accumulator_width(graph)),
        wrapping=True,
        **asdict(requantizer_parameters(graph)),
    )
    certified = requantize(graph, config, strict=True)
    return GoldenNetwork(graph, certified)


def reference_data(name: str) -> dict[str, NDArray[Any]]:
    (path,) = DATA.glob(f"{name}*_ref.npz")
    return dict(np.load(path, allow_pickle=False))


def inputs_of(data: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    if "inputs" in data:
        return data["inputs"].astype(np.float32)
    return data["inputs_int8"].astype(np.float32) * np.float32(data.get("input_scale", 1))


def compare(name: str, folder: Path, count: int | None) -> None:
    data = reference_data(name)
    graph = import_onnx(model_path(name, folder))
    golden = network(graph)
    inputs = inputs_of(data)[:count]
    for start in range(0, len(inputs), BATCH):
        batch = inputs[start : start + BATCH].reshape(-1, *graph.input_shape[1:])
        maps = golden.run(quantize_input(graph, batch))
        found = model_output(graph, maps[graph.output])
        wanted = data["out_qonnx"][start : start + len(batch)].reshape(found.shape)
        if Path(name).name.startswith(EXACT):
            np.testing.assert_array_equal(found, wanted)
            continue
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)
        # The class is the same, but where two sums are equal and the reference's rounding decides.
        rows = np.arange(len(found))
        assert (found[rows, wanted.argmax(1)] == found.max(1)).all()


@pytest.mark.parametrize("name", MODELS)
def test_first_outputs(name: str, tmp_path: Path) -> None:
    compare(name, tmp_path, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_all_staged_inputs(name: str, tmp_path: Path) -> None:
    compare(name, tmp_path, None)


@pytest.mark.parametrize("name", MODELS)
def test_reference_shows_the_same_maps(name: str, tmp_path: Path) -> None:
    """The operators one by one: equal to the staged outputs bit for bit, and to every quantized map of the golden network."""
    data = reference_data(name)
    path = model_path(name, tmp_path)
    graph = import_onnx(path)
    reference = QonnxReference(path, graph)
    batch = inputs_of(data)[:4].reshape(-1, *graph.input_shape[1:])
    found = reference.outputs(batch)
    np.testing.assert_array_equal(found, data["out_qonnx"][:4].reshape(found.shape))
    compared = 0
    for tensor, values in network(graph).run(quantize_input(graph, batch)).items():
        wanted = reference.map(tensor, batch)
        if wanted is not None:
            np.testing.assert_array_equal(values, wanted, err_msg=tensor)
            compared += 1
    assert compared >= 1


@pytest.mark.parametrize("name", MODELS)
def test_staged_maps(name: str, tmp_path: Path) -> None:
    """The first input's quantized activations, which the files number by node."""
    data = reference_data(name)
    staged = [data[key] for key in sorted(data) if key.startswith("mid_")]
    if not staged:
        pytest.skip("the file has no maps")
    graph = import_onnx(model_path(name, tmp_path))
    batch = inputs_of(data)[:1].reshape(-1, *graph.input_shape[1:])
    maps = network(graph).run(quantize_input(graph, batch))
    known = {name: tensor for name, tensor in graph.tensors.items() if name in maps and tensor.reference}
    steps = {
        key: np.moveaxis(maps[key][0].astype(np.int64), -1, 0).ravel() - tensor.zero_point
        for key, tensor in known.items()
    }
    equal = sum(
        any(
            np.array_equal(np.rint(values.ravel() / np.float32(known[key].scale)), found)
            for key, found in steps.items()
            if found.size == values.size
        )
        for values in staged
    )
    assert equal == min(len(staged), len(known))


@pytest.mark.parametrize("name", MODELS)
def test_formats_of_the_engine_change_nothing(name: str, tmp_path: Path) -> None:
    """Maps stored in the formats that the engine's products need, some wider than the values: the same outputs."""
    graph = import_onnx(model_path(name, tmp_path))
    stored = choose_formats(graph)
    batch = inputs_of(reference_data(name))[:4].reshape(-1, *graph.input_shape[1:])
    plain, packed = (network(each).run(quantize_input(each, batch)) for each in (graph, stored))
    for tensor, values in plain.items():
        np.testing.assert_array_equal(packed[tensor], values, err_msg=tensor)


def test_an_input_of_which_nothing_is_known(tmp_path: Path) -> None:
    """Of a vector the host computes the first layer; a convolution is refused with the way out."""
    graph = import_onnx(model_path("bnn_pynq/lfc_w1a1_mnist", tmp_path, ""))
    assert [step.kind for step in graph.input_steps] == ["matmul", "add", "bipolar"]
    with pytest.raises(ModelError, match="annotate it with a finn_datatype such as INT8"):
        import_onnx(model_path("bnn_pynq/cnv_w1a1_cifar10", tmp_path, ""))
