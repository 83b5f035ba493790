"""Where each weight of a network lies in the weight memory's image, and what an image says that the weights are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from amaranth.utils import ceil_log2
from numpy.typing import NDArray

from ..compiler.compilation import Compilation
from ..compiler.graph import COPY, Convolution
from ..compiler.layer_plan import LayerPlan
from ..compiler.program import ProgramLayer
from ..hw.errors import UserError
from ..hw.formats import NumberFormat
from ..hw.products import PRODUCTS

__all__ = ["WeightCells"]

_CONSTANT = ("POOL", "MEAN")
"""Words in the operators of layers whose weights are not the model's."""


class WeightCells:
    """The bits of the weight memory that hold a network's weights.

    Weights are those of the convolutions and fully connected layers as they were compiled. The memory holds more:
    requantization parameters, the weights of average pools, copies and additions, and zeros for what does not exist.

    Parameters
    ----------
    compilation : Compilation

    Attributes
    ----------
    layers : tuple of str
        Output tensors of the layers that have weights, in execution order.
    bits : NDArray[np.int64]
        Places of all bits in the image: bit ``b mod 32`` of word ``b div 32``. Layer by layer, weight by weight, lowest bit
        first.
    copies : NDArray[np.int64]
        How many bits of the image, from that place on, are one stored bit: 8 for a binary weight of an int8 map, whose byte
        is filled with it (0x7F or 0x80), else 1.

    Raises UserError for weights that lie in an external memory.
    """

    def __init__(self, compilation: Compilation) -> None:
        self._formats: dict[str, NumberFormat] = {}
        self._places: dict[str, NDArray[np.int64]] = {}
        program = compilation.program
        if program.external.size:
            raise UserError(
                "The weights of this build lie in an external memory, where errors are not modelled: build for a device that "
                "holds them on the chip."
            )
        plans = {plan.node.output: plan for plan in compilation.plan.layers}
        for layer in program.layers:
            plan = plans[layer.output]
            node = plan.node
            constant = node.operator == COPY or any(word in node.operator.upper() for word in _CONSTANT)
            if isinstance(node, Convolution) and not constant:
                self._formats[layer.output] = PRODUCTS[node.product].weights
                self._places[layer.output] = _places(plan, node, layer, compilation)
        self.layers = tuple(self._places)
        parts = [
            (places.reshape(-1, 1) + np.arange(self._formats[name].width)).reshape(-1)
            for name, places in self._places.items()
        ]
        self.bits = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        spread = {plan.node.output for plan in compilation.plan.layers if _fills_its_byte(plan)}
        counts = [np.full(len(part), 8 if name in spread else 1) for name, part in zip(self._places, parts, strict=True)]
        self.copies = np.concatenate(counts) if counts else np.zeros(0, np.int64)

    def formats(self) -> Mapping[str, NumberFormat]:
        """The format in which each layer's weights are stored."""
        return self._formats

    def decode(self, image: NDArray[np.uint32]) -> dict[str, NDArray[np.int8]]:
        """The weights in an image, by layer, (outputs, kernel height, kernel width, inputs of a group)."""
        stored = np.unpackbits(image.astype("<u4").view(np.uint8), bitorder="little")
        weights = {}
        for name, places in self._places.items():
            held = self._formats[name]
            codes = np.zeros(places.shape, np.uint8)
            for bit in range(held.width):
                codes |= stored[places + bit] << np.uint8(bit)
            weights[name] = np.array([held.decode(code) for code in range(1 << held.width)], np.int8)[codes]
        return weights


def _fills_its_byte(plan: LayerPlan) -> bool:
    return isinstance(plan.node, Convolution) and plan.node.product == "int8xbinary"


def _places(plan: LayerPlan, node: Convolution, layer: ProgramLayer, compilation: Compilation) -> NDArray[np.int64]:
    """The lowest bit of each weight of a layer, by the layout of docs/program-format.md."""
    config = compilation.config
    word_bits = 32 << ceil_log2(config.weight_segments)
    source = compilation.program.maps[node.input]
    first_word = {}
    for (_, run), values in zip(plan.passes, layer.descriptors, strict=True):
        first_word[run] = values["weight_first"]
    outputs, height, width, fan_in = node.weights.shape
    base, begin = np.zeros(outputs, np.int64), np.zeros(outputs, np.int64)
    words = plan.runs[0].words
    for run in plan.runs:
        for group in range(run.groups):
            channels = slice((run.first_group + group) * config.n, (run.first_group + group + 1) * config.n)
            size = config.parameter_words + plan.kernel_positions * run.words
            base[channels] = first_word[run] + group * size + config.parameter_words
            begin[channels] = run.first_word + group // run.period * run.period_words
    channel = np.arange(outputs) // (outputs // node.groups) * fan_in
    channel = channel[:, None] + np.arange(fan_in)
    word, value = np.divmod(channel, source.word_channels)
    ky, kx = np.arange(height)[:, None], np.arange(width)[None, :]
    # Rows of the kernel inside, columns outside, where the loop over words walks the rows.
    position = ky * width + kx if plan.kernel_rows == 1 else kx * height + ky
    step = position[None, :, :, None] * words + (word - begin[:, None])[:, None, None, :]
    lane = (np.arange(outputs) % config.n * config.m * 8)[:, None, None, None]
    place = (value * source.bits)[:, None, None, :]
    found: NDArray[np.int64] = (base[:, None, None, None] + step) * word_bits + lane + place
    return found
