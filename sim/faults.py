"""Errors in the weight memory: which bits of its image are wrong, and what the network then computes.

Two storages, after Penkovsky et al., DATE 2020 (docs/ecg-eeg.md): a bit in one device (1T1R), or as a complementary pair of
devices that a sense amplifier compares (2T2R). docs/faults.md has the model and its limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler.certified_requantization import CertifiedRequantization
from ..compiler.compilation import Compilation
from ..compiler.graph import Convolution
from ..compiler.packed_weights import layer_surplus
from ..hw.formats import NumberFormat
from ..hw.products import PRODUCTS
from .golden.requantizer import requantizer
from .golden_network import GoldenNetwork
from .weight_cells import WeightCells

__all__ = ["STORAGES", "FaultyNetwork", "bit_error_rate", "faulty_image", "undefined_codes"]

STORAGES = ("1t1r", "2t2r")
"""One device a bit, or a complementary pair."""


def bit_error_rate(storage: str, rate: float) -> float:
    """The probability that a stored bit is read wrong, where one device alone would be with probability ``rate``.

    The logarithm of a device's resistance is normal, with equal variance in both states, and a single device (1T1R) is
    compared with the middle between them: wrong with probability Q(z) = ``rate``. A pair (2T2R) is compared with itself: the difference has twice the
    distance and sqrt(2) times the deviation, so it is wrong with probability Q(sqrt(2) * z).
    """
    if storage not in STORAGES:
        raise ValueError(f"storage is one of {', '.join(STORAGES)}, not {storage!r}")
    if not 0 <= rate <= 0.5:
        raise ValueError(f"a rate is within 0 to 0.5, not {rate}")
    if storage == "1t1r" or rate in (0, 0.5):
        return rate
    normal = NormalDist()
    return normal.cdf(2**0.5 * normal.inv_cdf(rate))


def faulty_image(
    image: NDArray[np.uint32], cells: WeightCells, draws: NDArray[np.float64], rate: float
) -> tuple[NDArray[np.uint32], int]:
    """A copy of ``image`` in which those bits of ``cells`` are inverted whose draw is below ``rate``, and how many.

    ``draws``: one number for each of ``cells.bits``, uniform over 0..1. With the same draws a larger rate inverts the same
    bits and more.
    """
    chosen = draws < rate
    wrong, ones = cells.bits[chosen], (1 << cells.copies[chosen]) - 1
    result = image.astype("<u4").copy()
    np.bitwise_xor.at(result, wrong >> 5, (ones << (wrong & 31)).astype(np.uint32))
    return result.astype(np.uint32), len(wrong)


def undefined_codes(formats: Mapping[str, NumberFormat]) -> list[str]:
    """Layers whose weights are stored in a format with codes that mean nothing: an error there has no defined outcome."""
    return [name for name, held in formats.items() if len(held.members) < 1 << held.width]


class FaultyNetwork(GoldenNetwork):
    """The golden model of a compiled network with other weights than it was made for.

    The engine's accumulators are as wide as the right weights need. With wrong ones sums may be larger: they wrap, at
    ``accumulator_width`` bits, and so does the sum in front of the shift at ``offset_width``. Requantization parameters stay those of the
    right weights, also what they subtract as the surplus of paired products (docs/program-format.md): with wrong weights the
    surplus is another, and the difference stays in the sum.

    compilation : Compilation
    weights : int8 by output tensor of the layer, in the shapes of the right ones
    """

    def __init__(self, compilation: Compilation, weights: Mapping[str, NDArray[np.int8]]) -> None:
        graph = compilation.graph
        nodes = [
            replace(node, weights=weights[node.output]) if isinstance(node, Convolution) and node.output in weights else node
            for node in graph.nodes
        ]
        super().__init__(replace(graph, nodes=nodes), compilation.certified)
        self._config = compilation.config
        self._surplus = {
            node.output: tuple(layer_surplus(values, PRODUCTS[node.product]) for values in (weights[node.output], node.weights))
            for node in graph.nodes
            if isinstance(node, Convolution) and node.output in weights and node.product in self._config.paired_products
        }

    def _requantized(self, output: str, sums: NDArray[np.int64]) -> NDArray[np.int8]:
        config, rule = self._config, self.certified[output]
        none = np.zeros(1, np.int64)
        wrong, right = self._surplus.get(output, (none, none))
        sums = _wrapped(sums + wrong, config.accumulator_width) - right
        # The image's offset is the rule's minus multiplier times surplus.
        largest = (1 << config.accumulator_width - 1) + 2 * int(np.abs(right).max())
        ends = [int(rule.multiplier.max()) * largest, int(np.abs(rule.offset).max())]
        if sum(ends) < 1 << config.offset_width - 1:
            return super()._requantized(output, sums)
        totals = sums.astype(object) * rule.multiplier.astype(object) + rule.offset.astype(object)
        ones = np.ones_like(rule.multiplier)
        wrap = isinstance(rule, CertifiedRequantization) and rule.wraps
        codes = requantizer(
            _wrapped(totals, config.offset_width), ones, 0 * ones, rule.shift, rule.low, rule.high, rule.pivot, rule.nudge, wrap
        )
        return 2 * codes - 1 if self.graph.tensors[output].format == "binary" else codes


def _wrapped(values: NDArray[Any], width: int) -> NDArray[Any]:
    """The lowest bits as two's complement."""
    half = 1 << width - 1
    result: NDArray[Any] = (values + half) % (2 * half) - half
    return result
