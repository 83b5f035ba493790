"""Layers of a QONNX model: sums, the chain of float32 operators behind them, thresholds or bytes of the sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..hw.formats import FORMATS
from .graph import Convolution, Deviation, HostStep, MaxPool
from .number_sets import narrowest_format
from .onnx_builder import GraphBuilder, map_elements
from .onnx_numerics import Quantization
from .onnx_values import Chained, Hosted, Reals
from .problem import Refusal
from .qonnx_chain import chain_values, flips, sum_bounds
from .qonnx_quantizers import Quantizer, held_range
from .requantization import BytePlanes, Requantization, ThresholdRequantization
from .threshold_search import first_sums

__all__ = ["bytes_of_sums", "quantized_layer"]

Int64Array = NDArray[np.int64]


def quantized_layer(build: GraphBuilder, chained: Chained, quantizer: Quantizer, output: str) -> Reals:
    """Close a layer: the chain behind its sums, quantized, becomes integer thresholds of the sums."""
    turned = flips(chained)
    _check_pools(chained, turned)
    sign = np.where(turned, -1, 1)
    weights = chained.sums.weights.astype(np.int64) * sign.reshape(-1, 1, 1, 1)
    if weights.max(initial=0) > 127:
        raise Refusal(
            "a factor behind it is negative, and its weights hold -128, which has no negative", "use narrow weights"
        )
    sums = replace(chained.sums, weights=weights.astype(np.int8))
    chained = replace(chained, sums=sums, factor=chained.factor * sign)
    low, high = sum_bounds(build, sums)
    # Steps a little outside are looked for, too: of a map in two parts the solver's range may be wider than the sums'.
    margin = high - low + 256
    if np.isnan(chain_values(chained, np.stack([low - margin, high + margin]))).any():
        raise Refusal("the operators behind it give what is no number", "correct the model's constants")
    levels = np.arange(quantizer.low + 1, quantizer.high + 1)
    thresholds = first_sums(
        lambda points: quantizer.codes(chain_values(chained, points)), levels, low - margin, high + margin
    )
    _note_rounding(build, chained, quantizer, thresholds, low, high)
    kind, zero_point = quantizer.format
    first, last = held_range(quantizer)
    if kind != "binary":
        # The clamp is for all channels: codes that none of them has (negative ones behind a Relu) need no straight line.
        surely = min(int((thresholds <= low[:, None]).all(0).sum()), len(levels) - 1)
        never = min(int((thresholds > high[:, None]).all(0).sum()), len(levels) - 1 - surely)
        first, last = first + surely, last - never
        thresholds = thresholds[:, surely : len(levels) - never]
    rule = ThresholdRequantization(low=first, high=last, thresholds=thresholds)
    name = f"{output}/sums" if chained.pools else output
    _add_layer(build, chained, name, rule, weights)
    quantization = Quantization(quantizer.scale, zero_point, False)
    elements = chained.elements
    shape = sums.shape
    build.add_tensor(name, shape, map_elements((1, shape[2], *shape[:2])).shape, quantization)
    _describe(build, name, kind, "" if chained.pools else output, elements.shape)
    for index, (node, frame, _) in enumerate(chained.pools):
        source, name = name, output if index == len(chained.pools) - 1 else f"{output}/{node}"
        rows, columns = frame.output_extent(*shape[:2])
        shape = (rows, columns, shape[2])
        pool = MaxPool(
            name=node,
            operator="MaxPool",
            input=source,
            output=name,
            kernel=frame.kernel,
            stride=frame.stride,
            padding=frame.padding,
        )
        build.result.nodes.append(pool)
        build.add_tensor(name, shape, map_elements((1, shape[2], *shape[:2])).shape, quantization)
        _describe(build, name, kind, output if name == output else "", elements.shape)
    return Reals(name, elements)


def bytes_of_sums(build: GraphBuilder, chained: Chained, output: str) -> Hosted:
    """The last layer of a model that ends in real numbers: its sums leave as bytes, the rest is the host's."""
    steps = []
    elements = chained.elements
    channel = elements.ravel() % len(chained.factor)
    tensor = chained.sums.tensor
    if chained.pools:
        raise Refusal("its MaxPool is computed from sums that are not quantized", "quantize the sums in front of it")
    if chained.copy:
        steps.append(HostStep(kind="dequantize", name=tensor))
    else:
        low, high = sum_bounds(build, chained.sums)
        planes = _bytes_of(int(low.min()), int(high.max()))
        shift = np.repeat(8 * np.arange(planes), len(chained.factor))
        rule = BytePlanes(shift=shift)
        weights = np.tile(chained.sums.weights, (planes, 1, 1, 1))
        rows, columns, channels = chained.sums.shape
        if chained.sums.groups > 1 and planes > 1:
            raise Refusal("its sums, which leave the network, belong to groups", "end with a layer without groups")
        _add_layer(build, chained, output, rule, weights.astype(np.int64))
        shape = (rows, columns, channels * planes)
        build.add_tensor(output, shape, map_elements((1, shape[2], rows, columns)).shape, Quantization(1.0, 0, False))
        _describe(build, output, "int8", "", ())
        tensor = output
        factor = chained.factor[channel]
        steps.append(HostStep(kind="sums", name=chained.sums.name, planes=planes, operand=factor))
    if elements.ndim > 2:
        steps.append(HostStep(kind="reshape", name="", operand=np.array(elements.shape, np.float32)))
    for step in chained.steps:
        operand = step.operand
        if step.kind not in ("quantize", "bipolar"):
            operand = operand[..., channel].reshape(*operand.shape[:-1], *elements.shape[1:])
        steps.append(replace(step, operand=operand))
    return Hosted(tensor, elements, tuple(steps))


def _bytes_of(low: int, high: int) -> int:
    count = 1
    while low < -(1 << 8 * count - 1) or high >= 1 << 8 * count - 1:
        count += 1
    return count


def _add_layer(build: GraphBuilder, chained: Chained, output: str, rule: Requantization, weights: Int64Array) -> None:
    sums = chained.sums
    source = build.result.tensors[sums.tensor]
    held = FORMATS[source.format]
    if any(sums.window.padding) and not held.low <= source.zero_point <= held.high:
        raise Refusal(
            "it pads with 0, which is outside of what its input can hold", "use a zero point inside the range"
        )
    build.result.nodes.append(
        Convolution(
            name=sums.name,
            operator=sums.operator,
            input=sums.tensor,
            output=output,
            weights=weights.astype(np.int8),
            bias=np.zeros(len(weights), np.int64),
            requantization=rule,
            stride=sums.window.stride,
            padding=sums.window.padding,
            dilation=sums.window.dilation,
            groups=sums.groups,
            weight_format=narrowest_format(weights),
        )
    )


def _describe(build: GraphBuilder, name: str, kind: str, reference: str, shape: tuple[int, ...]) -> None:
    build.result.tensors[name] = replace(
        build.result.tensors[name], format=kind, reference=reference, reference_shape=shape
    )


def _check_pools(chained: Chained, turned: NDArray[np.bool_]) -> None:
    """The largest of several results is the result of the largest sum only where nothing falls."""
    for name, _, count in chained.pools:
        if turned.any() or flips(replace(chained, steps=chained.steps[:count])).any():
            raise Refusal(
                f"a factor behind its sums is negative, and the MaxPool {name!r} stands in between",
                "put the MaxPool behind the quantizer",
            )


def _note_rounding(
    build: GraphBuilder,
    chained: Chained,
    quantizer: Quantizer,
    thresholds: Int64Array,
    low: Int64Array,
    high: Int64Array,
) -> None:
    """A deviation where the reference's float32 sums, whose order is its own, may round across a threshold.

    There is none if every partial sum is a float32: factors that are powers of two.
    """
    sums = chained.sums
    magnitude = np.maximum(np.abs(low), np.abs(high))
    mantissa, _ = np.frexp(chained.factor)
    if (np.abs(mantissa) == 0.5).all() and magnitude.max(initial=0) < 2**24:
        return
    noise = (sums.weights[0].size + 3) * 2.0**-24 * magnitude
    inside = (thresholds > low[:, None]) & (thresholds <= high[:, None])
    levels = np.arange(quantizer.low + 1, quantizer.high + 1)
    near = np.zeros(thresholds.shape, bool)
    for place, above in ((0, True), (-1, False)):
        points = (thresholds + place).T
        for side in (-1, 1):
            codes = quantizer.codes(chain_values(chained, points + side * noise))
            near |= ((codes >= levels[:, None]) != above).T
    count = int((near & inside).sum())
    if count:
        reason = (
            f"the reference sums real numbers in float32; at {count} of its {int(inside.sum())} steps a sum lies so near that "
            "their rounding may decide"
        )
        build.result.deviations.append(Deviation(node=sums.name, operator=sums.operator, steps=1, reason=reason))
