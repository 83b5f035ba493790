"""The ECG and EEG networks as they are kept: golden model = reference, RTL = golden model, and no worse than they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from macaw.compiler.graph import Convolution
from macaw.compiler.model_import import import_model
from macaw.compiler.number_formats import choose_formats
from macaw.scripts.build_folder import Build
from macaw.scripts.console import stages
from macaw.scripts.faults import FaultPlan, fault_rows
from macaw.scripts.generate import generate
from macaw.scripts.inputs import Inputs, load_inputs
from macaw.scripts.verification import Verification, verify_build
from macaw.sim.golden_network import golden_network, model_output, quantize_input

EXAMPLES = Path(__file__).parents[2] / "examples"
MODELS = {
    "ecg/ecg_int8": ("ecg/heldout_1x510", (4, 16, 4)),
    "ecg/ecg_binary_classifier": ("ecg/heldout_1x750", (4, 8, 8)),
    "ecg/ecg_binary": ("ecg/heldout_1x750", (2, 4, 8)),
    "eeg/eeg_int8": ("eeg/heldout_1x320x9", (4, 8, 8)),
    "eeg/eeg_binary_classifier": ("eeg/heldout_1x320x9", (4, 8, 8)),
    "eeg/eeg_binary": ("eeg/heldout_1x320x9", (4, 5, 8)),
}
"""Models, their held-out inputs, and the array that they are tested on."""

LAYERS = {"ecg": [(32, 13), (32, 11), (32, 9), (32, 7), (32, 5), (75, 1), (2, 1)], "eeg": [(40, 30), (40, 9), (80, 63), (2, 1)]}
"""Outputs of each layer, and kernel positions of those that have several."""


def check(name: str, folder: Path, data: str, rtl: int, layers: int) -> tuple[Build, Inputs, Verification]:
    """Inputs through reference and golden model, the first ``rtl`` of them through the RTL, every map of ``layers``."""
    with stages() as progress:
        build = generate(EXAMPLES / f"{name}.onnx", "ulx3s-85f", folder, array=MODELS[name][1], progress=progress)
        inputs = load_inputs(EXAMPLES / f"{data}.npz", build.compilation.graph)
        result = verify_build(build, inputs.first(max(rtl, 15)), limit=rtl, layers=layers, progress=progress)
    assert result.reference
    assert result.equal, result.rows
    assert result.rtl_inputs == min(rtl, len(inputs.values))
    return build, inputs, result


@pytest.mark.parametrize("name", ["ecg/ecg_binary", pytest.param("eeg/eeg_binary", marks=pytest.mark.slow)])
def test_binary_networks_in_the_rtl(name: str, tmp_path: Path) -> None:
    """With right weights, and with wrong ones: an even number of bytes in a word pairs products, an odd one does not."""
    build, inputs, _ = check(name, tmp_path, MODELS[name][0], rtl=2, layers=1)
    assert bool(build.compilation.config.paired_products) == (name == "ecg/ecg_binary")
    plan = FaultPlan(rates=(0.003, 0.1), storages=("1t1r",), repeats=1, rtl_inputs=2)
    with stages() as progress:
        rows = list(fault_rows(name, build.compilation, inputs.first(4), plan, build, progress=progress))
    assert [int(row["wrong_bits"]) > 0 for row in rows] == [False, True, True]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_many_inputs_in_the_rtl(name: str, tmp_path: Path) -> None:
    _, _, result = check(name, tmp_path, MODELS[name][0].replace("eeg/heldout", "eeg/all"), rtl=60, layers=3)
    assert result.rtl_inputs == 60


@pytest.mark.parametrize("name", MODELS)
def test_accuracy(name: str) -> None:
    """The integers of the golden model on the kept inputs: as good as the results of all held-out ones let expect."""
    graph = choose_formats(import_model(EXAMPLES / f"{name}.onnx", None))
    inputs = load_inputs(EXAMPLES / f"{MODELS[name][0]}.npz", graph)
    maps = golden_network(graph).run(quantize_input(graph, inputs.values))
    share = inputs.accuracy(model_output(graph, maps[graph.output]))
    assert share is not None
    stored = json.loads((EXAMPLES / name).parent.joinpath("accuracy.json").read_text())[name.split("_", 1)[1]]
    whole = stored["exported"] / stored["examples"]
    part = len(inputs.values) / stored["examples"]
    assert abs(share - whole) <= 4 * (whole * (1 - whole) * (1 - part) / len(inputs.values)) ** 0.5 + 1e-9


@pytest.mark.parametrize("name", MODELS)
def test_layers_and_formats(name: str) -> None:
    """Tables I and II of the paper, and what is binary in which form."""
    task, form = name.split("/")[0], name.split("_", 1)[1]
    graph = choose_formats(import_model(EXAMPLES / f"{name}.onnx", None))
    layers = [node for node in graph.nodes if isinstance(node, Convolution) and "Pool" not in node.operator]
    wanted = LAYERS[task]
    assert len(layers) == len(wanted)
    for node, (outputs, positions) in zip(layers, wanted, strict=True):
        assert len(node.weights) % outputs == 0
        if node.operator == "Conv":
            assert node.weights[0, :, :, 0].size == positions
    hidden = layers[-2].weights[0].size
    assert hidden == {"ecg/ecg_int8": 3232, "ecg": 5152, "eeg": 2520}.get(name, 5152 if task == "ecg" else 2520)
    products = [node.product for node in layers]
    convolutions = ["int8xint8"] * (len(layers) - 2)
    if form == "binary":
        assert products == ["int8xbinary"] + ["binaryxbinary"] * (len(layers) - 1)
    else:
        assert products == convolutions + (["int8xint8"] if form == "int8" else ["binaryxbinary"]) * 2


def test_one_dimensional_convolutions() -> None:
    """The ECG models have maps of rank 3 and kernels of one dimension."""
    for form in ("int8", "binary", "binary_classifier"):
        model = onnx.load(str(EXAMPLES / "ecg" / f"ecg_{form}.onnx"))
        assert len(model.graph.input[0].type.tensor_type.shape.dim) == 3
        kernels = [list(attribute.ints) for node in model.graph.node if node.op_type == "Conv"
                   for attribute in node.attribute if attribute.name == "kernel_shape"]  # fmt: skip
        assert kernels == [[13], [11], [9], [7], [5]]


@pytest.mark.parametrize("data", sorted({data for data, _ in MODELS.values()} | {"eeg/all_1x320x9"}))
def test_kept_inputs(data: str) -> None:
    with np.load(EXAMPLES / f"{data}.npz", allow_pickle=False) as archive:
        signal, labels = archive["signal"], archive["labels"]
    assert signal.dtype == np.float32
    steps = signal * 32
    assert np.array_equal(steps, np.rint(steps)) and np.abs(steps).max() <= 127
    assert 0.4 < labels.mean() < 0.6
