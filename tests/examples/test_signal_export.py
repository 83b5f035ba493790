"""What the training scripts write is what was trained: small networks with random weights, torch against the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from macaw.examples.float_export import float_model
from macaw.examples.qonnx_export import qonnx_model
from macaw.examples.signal_network import ConvolutionSpec, Form, PoolSpec, Recipe, SignalNetwork, scores, train
from macaw.examples.signal_training import reference_scores, rounded

torch = pytest.importorskip("torch", reason="torch is in the extra `train`")

STEP = 1 / 32
ONE = SignalNetwork(
    "one",
    (1, 40),
    (ConvolutionSpec("first", 4, (5,), (0,)), PoolSpec("pool", "max", (2,), (2,)), ConvolutionSpec("second", 8, (3,), (1,))),
    hidden=5,
)
TWO = SignalNetwork(
    "two",
    (1, 24, 3),
    (
        ConvolutionSpec("first", 4, (6, 1), (3, 0)),
        ConvolutionSpec("second", 8, (1, 3), (0, 0)),
        PoolSpec("pool", "average", (5, 1), (2, 1)),
    ),
    hidden=7,
)


def trained(network: SignalNetwork, form: Form) -> tuple[object, np.ndarray]:
    """A network after three steps of training on noise, and inputs."""
    generator = np.random.default_rng(5)
    inputs = rounded(generator.normal(0, 1, (48, *network.shape)), STEP)
    labels = generator.integers(0, 2, 48)
    return train(network, form, Recipe(epochs=1, batch=16), inputs, labels, 1, lambda batch, _: batch), inputs


def test_shapes() -> None:
    assert ONE.extents() == [(1, 40), (4, 36), (4, 18), (8, 18)] and ONE.features == 144
    assert TWO.extents() == [(1, 24, 3), (4, 25, 3), (8, 25, 1), (8, 11, 1)] and TWO.features == 88


@pytest.mark.parametrize("network", [ONE, TWO], ids=lambda network: network.name)
def test_binary_form_is_what_was_trained(network: SignalNetwork, tmp_path: Path) -> None:
    model, inputs = trained(network, Form.BINARY)
    onnx.save(qonnx_model(network, Form.BINARY, model, inputs, STEP), str(tmp_path / "model.onnx"))
    np.testing.assert_allclose(reference_scores(tmp_path / "model.onnx", inputs), scores(model, inputs), atol=1e-5)


@pytest.mark.parametrize("network", [ONE, TWO], ids=lambda network: network.name)
def test_binary_classifier_rounds_convolutions_to_8_bits(network: SignalNetwork, tmp_path: Path) -> None:
    """Signs behind the convolutions may turn where a sum is next to 0: most scores are equal, and none by design."""
    model, inputs = trained(network, Form.CLASSIFIER)
    onnx.save(qonnx_model(network, Form.CLASSIFIER, model, inputs, STEP), str(tmp_path / "model.onnx"))
    found, wanted = reference_scores(tmp_path / "model.onnx", inputs), scores(model, inputs)
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("network", [ONE, TWO], ids=lambda network: network.name)
def test_real_form_has_its_batch_normalizations_folded(network: SignalNetwork, tmp_path: Path) -> None:
    import onnxruntime

    model, inputs = trained(network, Form.REAL)
    exported = float_model(network, model)
    session = onnxruntime.InferenceSession(exported.SerializeToString(), providers=["CPUExecutionProvider"])
    found = np.concatenate([session.run(None, {"signal": values[None]})[0] for values in inputs])
    np.testing.assert_allclose(found, scores(model, inputs), atol=1e-4)


def test_training_is_repeatable() -> None:
    first, inputs = trained(ONE, Form.BINARY)
    second, _ = trained(ONE, Form.BINARY)
    np.testing.assert_array_equal(scores(first, inputs), scores(second, inputs))
