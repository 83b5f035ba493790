"""Golden model of a whole network, and the host's steps around it: what the driver, the RTL and the board must equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler.certified_addition import CertifiedAddition
from ..compiler.certified_requantization import CertifiedRequantization
from ..compiler.float_steps import FLOAT_STEPS, apply_step
from ..compiler.graph import Add, Concat, Convolution, Graph, MaxPool
from ..compiler.requantize import requantize, required_accumulator_width
from ..compiler.requantizer_parameters import requantizer_parameters
from ..hw.config import EngineConfig
from ..hw.formats import FORMATS
from ..hw.products import PRODUCTS
from .golden.convolution import convolution
from .golden.host_kernels import OUTPUT_SCALE, OUTPUT_ZERO_POINT, logistic_int8, softmax_int8
from .golden.max_pool import max_pool
from .golden.requantizer import requantizer

__all__ = ["GoldenNetwork", "golden_network", "model_output", "quantize_input"]


class GoldenNetwork:
    """A graph computed with integers only, layer by layer, by the formulas of the engine.

    graph : the integer graph
    certified : the requantization of each convolution and addition, by the name of its output tensor
    """

    def __init__(self, graph: Graph, certified: Mapping[str, CertifiedRequantization | CertifiedAddition]) -> None:
        self.graph = graph
        self.certified = dict(certified)

    def run(self, inputs: NDArray[np.int8]) -> dict[str, NDArray[np.int8]]:
        """Every tensor of the graph, (batch, height, width, channels), for a batch of input maps of that shape."""
        graph = self.graph
        shape = graph.tensors[graph.input].shape
        if inputs.dtype != np.int8 or inputs.shape[1:] != shape:
            raise ValueError(
                f"inputs must be int8, (batch, {', '.join(map(str, shape))}), not {inputs.dtype} {inputs.shape}"
            )
        maps = {graph.input: inputs}
        for node in graph.nodes:
            source = maps[node.input]
            if isinstance(node, Convolution):
                sums = convolution(
                    source,
                    node.weights,
                    stride=node.stride,
                    padding=node.padding,
                    dilation=node.dilation,
                    groups=node.groups,
                    pad_value=graph.tensors[node.input].zero_point,
                )
                if PRODUCTS[node.product].counts:
                    # Of N products of -1 and 1, the number of those that are 1.
                    sums = (sums + node.weights[0].size) // 2
                maps[node.output] = self._requantized(node.output, sums)
            elif isinstance(node, Add):
                addition = self.certified[node.output]
                assert isinstance(addition, CertifiedAddition)
                first, second = (maps[name].astype(np.int64) for name in node.inputs)
                sums = first * addition.weights[0] + second * addition.weights[1]
                maps[node.output] = self._requantized(node.output, sums)
            elif isinstance(node, MaxPool):
                maps[node.output] = max_pool(source, node.kernel, stride=node.stride, padding=node.padding)
            elif isinstance(node, Concat):
                maps[node.output] = np.concatenate([maps[name] for name in node.inputs], axis=-1)
            else:
                raise TypeError(f"no golden model for {type(node).__name__}")
            found, stated = maps[node.output].shape[1:], graph.tensors[node.output].shape
            if found != stated:
                raise ValueError(f"node {node.name!r} gives a map of {found}, the graph states {stated}")
        return maps

    def _requantized(self, output: str, sums: NDArray[np.int64]) -> NDArray[np.int8]:
        rule = self.certified[output]
        wrap = isinstance(rule, CertifiedRequantization) and rule.wraps
        codes = requantizer(
            sums, rule.multiplier, rule.offset, rule.shift, rule.low, rule.high, rule.pivot, rule.nudge, wrap
        )
        return 2 * codes - 1 if self.graph.tensors[output].format == "binary" else codes


def golden_network(graph: Graph, *, strict: bool = False) -> GoldenNetwork:
    """The golden model of a graph without a choice of hardware: on an engine with the widths that its layers need.

    ``strict``: as in :func:`~macaw.compiler.requantize.requantize`. Raises ModelError for layers that no engine can requantize.
    """
    config = EngineConfig(
        p=1,
        m=1,
        n=1,
        accumulator_width=max(12, required_accumulator_width(graph)),
        wrapping=True,
        **asdict(requantizer_parameters(graph)),
    )
    return GoldenNetwork(graph, requantize(graph, config, strict=strict))


def quantize_input(graph: Graph, x: NDArray[Any]) -> NDArray[np.int8]:
    """A batch of the source model's inputs (its shape, the batch first) as a batch of input maps.

    float32 inputs are quantized as the reference does: float32 division, rounding with halves to even (ONNX's
    QuantizeLinear) or away from zero (``input_ties_away``, TensorFlow Lite's QUANTIZE), zero point, clip. Integer inputs are
    uint8 or int8 as in the source model. ``input_steps`` come first. Padding of a folded input (-1 in ``input_order``) is
    the zero point.
    """
    tensor = graph.tensors[graph.input]
    if x.shape[1:] != graph.input_shape[1:]:
        raise ValueError(f"inputs must have shape (batch, {', '.join(map(str, graph.input_shape[1:]))}), not {x.shape}")
    for step in graph.input_steps:
        x = apply_step(step, x.astype(np.float32))
    if graph.input_float:
        steps = (x.astype(np.float32) / np.float32(tensor.scale)).astype(np.float64)
        real = np.copysign(np.floor(np.abs(steps) + 0.5), steps) if graph.input_ties_away else np.rint(steps)
        held = FORMATS[tensor.format]
        integers = np.clip(real + tensor.zero_point, held.low, held.high).astype(np.int8)
    else:
        integers = (x.astype(np.int64) - (128 if tensor.unsigned else 0)).astype(np.int8)
    ordered = integers.reshape(len(x), -1)[:, graph.input_order]
    ordered[:, graph.input_order < 0] = tensor.zero_point
    return ordered.reshape(len(x), *tensor.shape)


def model_output(graph: Graph, q: NDArray[np.int8]) -> NDArray[Any]:
    """A batch of output maps as the source model's output: its order and shape, after all host steps."""
    tensor = graph.tensors[graph.output]
    integers, scale, zero_point = q.reshape(len(q), -1)[:, graph.output_order], tensor.scale, tensor.zero_point
    values: NDArray[Any] = _offered(integers, tensor.unsigned)
    for step in graph.host_steps:
        if step.kind in ("softmax_int8", "logistic_int8"):
            if step.kind == "softmax_int8":
                integers = softmax_int8(integers, step.scale)
            else:
                integers = logistic_int8(integers, step.scale, step.zero_point)
            values, scale, zero_point = _offered(integers, tensor.unsigned), OUTPUT_SCALE, OUTPUT_ZERO_POINT
        elif step.kind == "sums":
            values = (_joined(integers, step.planes) * step.operand).astype(np.float32)
        elif step.kind in FLOAT_STEPS:
            values = apply_step(step, values)
        elif step.kind in ("uint8", "int8"):
            values = _offered(integers, step.kind == "uint8")
        elif step.kind == "dequantize":
            values = (integers.astype(np.int32) - zero_point).astype(np.float32) * np.float32(scale)
        elif step.kind == "softmax":
            powers = np.exp(values - values.max(axis=-1, keepdims=True))
            values = powers / powers.sum(axis=-1, keepdims=True)
        elif step.kind == "sigmoid":
            values = 1 / (1 + np.exp(-values))
        elif step.kind in ("requantize", "requantize_softmax"):
            unit = np.float32(step.scale)
            real = values / unit if step.kind == "requantize" else values * np.floor(np.float32(1) / unit)
            steps = np.clip(np.rint(real.astype(np.float64)) + step.zero_point, -128, 127)
            values = (steps - step.zero_point).astype(np.float32) * unit
        elif step.kind == "argmax":
            values = values.argmax(axis=-1).astype(np.int64)[:, None]
        else:
            raise ValueError(f"unknown host step {step.kind!r}")
    return values.reshape(len(q), *graph.output_shape[1:])


def _joined(planes: NDArray[np.int8], count: int) -> NDArray[np.int64]:
    """Sums from their bytes, all lowest ones first."""
    parts = planes.reshape(len(planes), count, -1).astype(np.int64)
    shifts = 8 * np.arange(count)[:, None]
    signed = np.arange(count)[:, None] == count - 1
    total: NDArray[np.int64] = (np.where(signed, parts, parts & 255) << shifts).sum(1)
    return total


def _offered(integers: NDArray[np.int8], unsigned: bool) -> NDArray[Any]:
    """Integers as the source model has them."""
    return (integers.astype(np.int16) + 128).astype(np.uint8) if unsigned else integers
