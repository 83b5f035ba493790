"""Networks of one- and two-dimensional convolutions for biosignals: their layers, and the torch modules of their three forms.

Source: the ECG and EEG networks of Penkovsky et al., DATE 2020 (docs/ecg-eeg.md).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

__all__ = ["ConvolutionSpec", "FloatArray", "Form", "LabelArray", "PoolSpec", "Recipe", "SignalNetwork", "scores", "train"]

FloatArray = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.int64]


class Form(enum.Enum):
    """What is binary: nothing, the fully connected layers, or all layers."""

    REAL = "int8"
    CLASSIFIER = "binary_classifier"
    BINARY = "binary"


@dataclass(frozen=True)
class ConvolutionSpec:
    """A convolution with batch normalization and an activation; ``padding`` on both sides, one number a dimension."""

    name: str
    outputs: int
    kernel: tuple[int, ...]
    padding: tuple[int, ...]


@dataclass(frozen=True)
class PoolSpec:
    """A pool, "max" or "average", without padding. An average has a batch normalization and a sign where its readers are binary."""

    name: str
    kind: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class SignalNetwork:
    """Convolutions and pools, then two fully connected layers. ``shape``: of an input, channels first, without the batch."""

    name: str
    shape: tuple[int, ...]
    layers: tuple[ConvolutionSpec | PoolSpec, ...]
    hidden: int
    classes: int = 2

    def extents(self) -> list[tuple[int, ...]]:
        """The shape of the input and of each layer's output."""
        shapes = [self.shape]
        for layer in self.layers:
            channels, *spatial = shapes[-1]
            if isinstance(layer, ConvolutionSpec):
                free = [s + 2 * p - k for s, p, k in zip(spatial, layer.padding, layer.kernel, strict=True)]
                shapes.append((layer.outputs, *(extent + 1 for extent in free)))
            else:
                free = [s - k for s, k in zip(spatial, layer.kernel, strict=True)]
                shapes.append((channels, *(f // step + 1 for f, step in zip(free, layer.stride, strict=True))))
        return shapes

    @property
    def features(self) -> int:
        """Inputs of the fully connected part."""
        return int(np.prod(self.extents()[-1]))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a form is trained: Adam with decoupled weight decay, cosine schedule, cross-entropy."""

    epochs: int
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    dropout: float = 0.15


def _binarized(weights: torch.Tensor) -> torch.Tensor:
    """-1 or 1, with the gradient of the weights themselves."""
    import torch

    signs = torch.where(weights >= 0, 1.0, -1.0)
    return weights + (signs - weights).detach()


def build(network: SignalNetwork, form: Form, dropout: float) -> torch.nn.Sequential:
    """The network as it is trained. Weights and activations that are binary stay real numbers for the optimizer; the forward
    pass sees their signs (straight-through estimator: the gradient passes where the number is within -1..1)."""
    import torch
    from torch import nn

    class Sign(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            inner = x.clamp(-1, 1)
            return inner + (torch.where(x >= 0, 1.0, -1.0) - inner).detach()

    def binary(layer: nn.Module) -> nn.Module:
        torch.nn.utils.parametrize.register_parametrization(layer, "weight", Signs())
        return layer

    class Signs(nn.Module):
        def forward(self, weights: torch.Tensor) -> torch.Tensor:
            return _binarized(weights)

    flat = len(network.shape) == 2
    convolution, norm = (nn.Conv1d, nn.BatchNorm1d) if flat else (nn.Conv2d, nn.BatchNorm2d)
    pools: dict[str, Callable[..., nn.Module]] = {
        "max": nn.MaxPool1d if flat else nn.MaxPool2d,
        "average": nn.AvgPool1d if flat else nn.AvgPool2d,
    }
    whole, part = form is Form.BINARY, form is not Form.REAL
    modules: list[nn.Module] = []
    channels = network.shape[0]
    last = network.layers[-1]
    for layer in network.layers:
        if isinstance(layer, ConvolutionSpec):
            unit: nn.Module = convolution(channels, layer.outputs, layer.kernel, padding=layer.padding, bias=False)
            channels = layer.outputs
            signed = whole or (part and layer is last)
            modules += [binary(unit) if whole else unit, norm(channels), Sign() if signed else nn.ReLU()]
        else:
            modules.append(pools[layer.kind](layer.kernel, layer.stride))
            if layer.kind == "average" and (whole or (part and layer is last)):
                modules += [norm(channels), Sign()]
    first: nn.Module = nn.Linear(network.features, network.hidden, bias=False)
    second: nn.Module = nn.Linear(network.hidden, network.classes, bias=not part)
    modules += [nn.Flatten(), nn.Dropout(0.0 if part else dropout), binary(first) if part else first]
    modules += [nn.BatchNorm1d(network.hidden), Sign() if part else nn.ReLU(), binary(second) if part else second]
    if part:
        modules.append(nn.BatchNorm1d(network.classes))
    return nn.Sequential(*modules)


def train(
    network: SignalNetwork,
    form: Form,
    recipe: Recipe,
    inputs: FloatArray,
    labels: LabelArray,
    seed: int,
    augment: Callable[[FloatArray, np.random.Generator], FloatArray],
    report: Callable[[int, float], Any] = lambda epoch, loss: None,
) -> torch.nn.Sequential:
    """A trained network, in evaluation mode. One thread and one seed: two runs on one machine are equal. ``augment`` is
    given each batch of inputs; ``report`` hears of each epoch and its mean loss."""
    import torch

    torch.set_num_threads(1)  # the order of float additions must not depend on the number of cores
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    model = build(network, form, recipe.dropout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    batches = max(1, len(labels) // recipe.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=recipe.epochs * batches)
    shares = np.bincount(labels, minlength=network.classes) / len(labels)
    loss_function = torch.nn.CrossEntropyLoss(torch.from_numpy((1 / np.maximum(shares, 1e-9)).astype(np.float32)))
    for epoch in range(recipe.epochs):
        model.train()
        total = 0.0
        for index in np.array_split(generator.permutation(len(labels)), batches):
            optimizer.zero_grad()
            loss = loss_function(
                model(torch.from_numpy(augment(inputs[index], generator))), torch.from_numpy(labels[index])
            )
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        report(epoch, total / batches)
    return model.eval()


def scores(model: torch.nn.Sequential, inputs: FloatArray) -> FloatArray:
    """The network's outputs, before any quantization but that of training."""
    import torch

    with torch.no_grad():
        parts = [model(torch.from_numpy(inputs[k : k + 64])).numpy() for k in range(0, len(inputs), 64)]
    return np.concatenate(parts)
