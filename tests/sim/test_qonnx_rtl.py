"""Trained QONNX models as RTL: equal to the golden model, to the staged outputs of the qonnx package's executor and to the cycle
model. `python -m macaw.scripts.regress --full` takes 50 real inputs of each.

The golden model alone, on all staged inputs: test_qonnx_networks.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from macaw.boards.accelerator import Images
from macaw.boards.catalog import find_board
from macaw.compiler.budget import Budget
from macaw.compiler.compilation import compile_graph
from macaw.compiler.onnx_import import import_onnx
from macaw.hw.emit import write_verilog
from macaw.hw.engine import Engine
from macaw.hw.primitives.target import Family
from macaw.scripts.build_folder import Build
from macaw.scripts.staged_data import load_staged, unpacked
from macaw.scripts.verification import golden_maps, simulate_inputs
from macaw.sim.golden_network import model_output, quantize_input
from macaw.sim.reference import output_differences

DATA = Path(__file__).parents[2].parent / "shared" / "data"

MODELS = {
    "qonnx/tfc_1w1a.onnx": (1, 8, 16),
    "qonnx/tfc_1w2a.onnx": (1, 8, 16),
    "qonnx/tfc_2w2a.onnx": (1, 8, 16),
    "qonnx/unsw_mlp_w2a2.onnx": (1, 8, 16),
    "qonnx/jet_mlp_w6a6.onnx": (1, 8, 8),
    "qonnx/kws_mlp_w3a3.onnx": (1, 8, 16),
    "project_trained/ecg_cnn1d_w4a4.onnx": (4, 4, 8),
    "bnn_pynq/lfc_w1a1_mnist.onnx.xz": (1, 5, 40),
    "bnn_pynq/cnv_w1a1_cifar10.onnx.xz": (4, 8, 16),
    "bnn_pynq/cnv_w1a2_cifar10.onnx.xz": (2, 8, 8),
}
"""Models, and arrays on which they are simulated in minutes."""

BUDGET = Budget(
    name="any device", family=Family.ECP5, luts=10**7, choice_luts=10**7, block_rams=4096, multipliers=512, single_port_rams=0,
    multiplier_latency=3, requantizer_digit=0, weight_memory="block",
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    not (DATA / "qonnx").is_dir(), reason="the trained models and their outputs are not in ../shared/data"
)


def silent(stage: str, fraction: float, text: str) -> None:
    """No progress."""


def rtl_is_equal(name: str, array: tuple[int, int, int], folder: Path, inputs: int, layers: int) -> None:
    """The outputs of the first ``inputs`` staged inputs, and the maps of every layer of the first ``layers``."""
    source = import_onnx(unpacked(DATA / name, folder))
    staged, reference = load_staged(DATA / name, source)
    staged = staged.first(inputs)
    assert len(staged.values) == inputs
    compilation = compile_graph(source, BUDGET, array=array)
    program, graph = compilation.program, compilation.graph
    build = Build(
        folder=folder,
        manifest={},
        board=find_board("ulx3s-85f"),
        compilation=compilation,
        images=Images(program.program, program.taps, program.weights),
    )
    write_verilog(Engine(compilation.config), build.core, name="core")
    integers = quantize_input(graph, staged.values)
    golden, maps = golden_maps(build, integers, layers, lambda done: None)
    found = simulate_inputs(build, integers, maps, layers=layers, progress=silent)
    np.testing.assert_array_equal(found.outputs, golden)
    assert found.differing and not any(found.differing.values())
    assert found.cycles == compilation.cycles
    assert output_differences(graph, reference.outputs(staged.values), model_output(graph, found.outputs)) == 0


def test_rtl(tmp_path: Path) -> None:
    rtl_is_equal("qonnx/tfc_2w2a.onnx", (1, 4, 4), tmp_path, inputs=4, layers=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_rtl_on_50_inputs(name: str, tmp_path: Path) -> None:
    rtl_is_equal(name, MODELS[name], tmp_path, inputs=50, layers=2 if "cnv" in name else 50)
