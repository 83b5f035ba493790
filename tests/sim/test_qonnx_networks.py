"""Trained QONNX models: the golden network against the staged outputs and maps of the qonnx package's executor."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from macaw.compiler.graph import Graph
from macaw.compiler.number_formats import choose_formats
from macaw.compiler.onnx_import import import_onnx
from macaw.compiler.problem import ModelError
from macaw.scripts.staged_data import load_staged, unpacked
from macaw.sim.golden_network import golden_network, model_output, quantize_input
from macaw.sim.qonnx_reference import QonnxReference

DATA = Path(__file__).parents[2].parent / "shared" / "data"
MODELS = (
    "qonnx/jet_mlp_w6a6.onnx",
    "qonnx/kws_mlp_w3a3.onnx",
    "qonnx/tfc_1w1a.onnx",
    "qonnx/tfc_1w2a.onnx",
    "qonnx/tfc_2w2a.onnx",
    "qonnx/unsw_mlp_w2a2.onnx",
    "project_trained/ecg_cnn1d_w4a4.onnx",
    "bnn_pynq/lfc_w1a1_mnist.onnx.xz",
    "bnn_pynq/cnv_w1a1_cifar10.onnx.xz",
    "bnn_pynq/cnv_w1a2_cifar10.onnx.xz",
)

EXACT = ("tfc", "lfc", "cnv", "unsw")
"""Integers all the way to the last sums; the others' factors are real, and the reference sums in float32."""

BATCH = 50

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the trained models are not in ../shared/data")


def staged(name: str, folder: Path, count: int | None = None) -> tuple[Path, Graph, NDArray[Any], NDArray[Any]]:
    """The model, its graph, the first ``count`` staged inputs and the outputs of qonnx's executor for them."""
    path = unpacked(DATA / name, folder)
    graph = import_onnx(path)
    inputs, reference = load_staged(DATA / name, graph)
    values = inputs.values[:count]
    return path, graph, values, reference.outputs(values)


def compare(name: str, folder: Path, count: int | None) -> None:
    _, graph, inputs, outputs = staged(name, folder, count)
    golden = golden_network(graph, strict=True)
    for start in range(0, len(inputs), BATCH):
        maps = golden.run(quantize_input(graph, inputs[start : start + BATCH]))
        found, wanted = model_output(graph, maps[graph.output]), outputs[start : start + BATCH]
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
    path, graph, batch, outputs = staged(name, tmp_path, 4)
    reference = QonnxReference(path, graph)
    np.testing.assert_array_equal(reference.outputs(batch), outputs)
    compared = 0
    for tensor, values in golden_network(graph, strict=True).run(quantize_input(graph, batch)).items():
        wanted = reference.map(tensor, batch)
        if wanted is not None:
            np.testing.assert_array_equal(values, wanted, err_msg=tensor)
            compared += 1
    assert compared >= 1


@pytest.mark.parametrize("name", MODELS)
def test_staged_maps(name: str, tmp_path: Path) -> None:
    """The first input's quantized activations, which the files number by node."""
    (path,) = DATA.glob(f"{name.partition('.')[0]}*_ref.npz")
    with np.load(path, allow_pickle=False) as data:
        stored = [data[key] for key in sorted(data.files) if key.startswith("mid_")]
    if not stored:
        pytest.skip("the file has no maps")
    _, graph, batch, _ = staged(name, tmp_path, 1)
    maps = golden_network(graph, strict=True).run(quantize_input(graph, batch))
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
        for values in stored
    )
    assert equal == min(len(stored), len(known))


@pytest.mark.parametrize("name", MODELS)
def test_formats_of_the_engine_change_nothing(name: str, tmp_path: Path) -> None:
    """Maps stored in the formats that the engine's products need, some wider than the values: the same outputs."""
    _, graph, batch, _ = staged(name, tmp_path, 4)
    stored = choose_formats(graph)
    plain, packed = (golden_network(each, strict=True).run(quantize_input(each, batch)) for each in (graph, stored))
    for tensor, values in plain.items():
        np.testing.assert_array_equal(packed[tensor], values, err_msg=tensor)


def test_an_input_of_which_nothing_is_known(tmp_path: Path) -> None:
    """Of a vector the host computes the first layer; a convolution is refused with the way out."""
    for name in ("lfc_w1a1_mnist", "cnv_w1a1_cifar10"):
        (tmp_path / f"{name}.onnx").write_bytes(lzma.decompress((DATA / "bnn_pynq" / f"{name}.onnx.xz").read_bytes()))
    graph = import_onnx(tmp_path / "lfc_w1a1_mnist.onnx")
    assert [step.kind for step in graph.input_steps] == ["matmul", "add", "bipolar"]
    with pytest.raises(ModelError, match="annotate it with a finn_datatype such as INT8"):
        import_onnx(tmp_path / "cnv_w1a1_cifar10.onnx")
