"""The command `macaw` as a user meets it: exit code, what it prints, what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from macaw.scripts.command import main
from macaw.scripts.demo import example

COMPLETE = ("build.json", "report.json", "report.html", "core.v", "board.v", "macaw.bit", "macaw.bin", "verify.json")
"""Files that would make a folder look like a build."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    output: str
    errors: str

    def sentence(self) -> str:
        """The last message on standard error."""
        lines = self.errors.splitlines()
        start = max(index for index, line in enumerate(lines) if line.startswith(("Error:", "Failed:", "Interrupted:")))
        return "\n".join(lines[start:])

    def refused(self, code: int, *parts: str) -> None:
        """Check that it ended with ``code``, without traceback, and with one message that has all ``parts``."""
        assert self.code == code, self.errors
        assert "Traceback" not in self.output + self.errors
        sentence = self.sentence()
        for part in parts:
            assert part in sentence, sentence
        assert sum(line.startswith(("Error:", "Failed:", "Interrupted:")) for line in self.errors.splitlines()) == 1


Command = Callable[..., Outcome]


@pytest.fixture
def macaw(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command line in this process."""

    def run(*words: str | Path) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def digits() -> Path:
    """The bundled model."""
    return example("digits_int8.onnx")


@pytest.fixture(scope="session")
def heldout() -> dict[str, NDArray[np.float32]]:
    """The bundled inputs."""
    with np.load(example("heldout.npz")) as archive:
        return dict(archive)


@pytest.fixture(scope="session")
def small_build(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """A build of the digits on a small engine, without bitstream. Do not change it; copy it."""
    folder = tmp_path_factory.mktemp("small") / "build"
    assert (
        main(["build", str(digits), "--board", "ulx3s-85f", "--array", "1,4,2", "--no-route", "-o", str(folder)]) == 0
    )
    return folder


@pytest.fixture(scope="session")
def looks_complete() -> Callable[[Path], list[str]]:
    """Names what in a folder could be taken for the result of a build."""
    return lambda folder: [name for name in COMPLETE if (folder / name).exists()]


class Models:
    """Writes small ONNX models; each method returns the file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "model.onnx"

    def convolution(self, *, inputs: int, outputs: int, size: int, kernel: int = 3, dynamic: bool = False) -> Path:
        """A quantized padded convolution; with kernel 1 and size 1 it is a fully connected layer."""
        weights = np.random.default_rng(1).integers(-127, 128, (outputs, inputs, kernel, kernel)).astype(np.int8)
        constants: dict[str, Any] = {
            "scale": np.float32(0.05), "zero": np.int8(3), "weight_scale": np.float32(0.01), "weight_zero": np.int8(0),
            "output_scale": np.float32(1.0), "weights": weights,
        }  # fmt: skip
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["xq"], "quantize"),
            helper.make_node("DequantizeLinear", ["xq", "scale", "zero"], ["xr"], "dequantize"),
            helper.make_node("DequantizeLinear", ["weights", "weight_scale", "weight_zero"], ["wr"], "weights"),
            helper.make_node("Conv", ["xr", "wr"], ["y"], "big", pads=[kernel // 2] * 4),
            helper.make_node("QuantizeLinear", ["y", "output_scale", "zero"], ["yq"], "quantize_y"),
            helper.make_node("DequantizeLinear", ["yq", "output_scale", "zero"], ["yr"], "dequantize_y"),
        ]
        height = "height" if dynamic else size
        return self._save(nodes, [1, inputs, height, size], [1, outputs, height, size], "yr", constants)

    def real(self) -> Path:
        """A model that nobody has quantized."""
        nodes = [helper.make_node("Conv", ["x", "weights"], ["y"], "conv")]
        return self._save(nodes, [1, 1, 8, 8], [1, 4, 6, 6], "y", {"weights": np.ones((4, 1, 3, 3), np.float32)})

    def strange(self) -> Path:
        """A quantized model with three operators that no engine runs."""
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["xq"], "quantize"),
            helper.make_node("DequantizeLinear", ["xq", "scale", "zero"], ["xr"], "dequantize"),
            helper.make_node("Sin", ["xr"], ["a"], "wave"),
            helper.make_node("Erf", ["xr"], ["b"], "bell"),
            helper.make_node("Mul", ["xr", "xr"], ["y"], "product"),
        ]
        constants: dict[str, Any] = {"scale": np.float32(0.05), "zero": np.int8(0)}
        return self._save(nodes, [1, 4, 8, 8], [1, 4, 8, 8], "y", constants)

    def _save(
        self,
        nodes: Sequence[onnx.NodeProto],
        shape: Sequence[int | str],
        output_shape: Sequence[int | str],
        output: str,
        constants: Mapping[str, Any],
    ) -> Path:
        graph = helper.make_graph(
            list(nodes),
            "test",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, output_shape)],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), self.path)
        return self.path


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


@pytest.fixture
def build(macaw: Command, tmp_path: Path, looks_complete: Callable[[Path], list[str]]) -> Any:
    """Runs `macaw build` without place and route and checks that it refuses and leaves nothing."""

    def refuse(model: Path, *options: str, parts: tuple[str, ...], board: str = "ulx3s-85f") -> Any:
        folder = tmp_path / "build"
        outcome = macaw("build", model, "--board", board, "--no-route", "-o", folder, *options)
        outcome.refused(2, *parts)
        assert not looks_complete(folder)
        return outcome

    return refuse
