"""Layers of the integer graph from the values of an ONNX model: maps and their layout, sums, requantization."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .graph import Convolution, Deviation, Graph, Tensor
from .onnx_constants import channel_scale, int8_weights
from .onnx_model import OnnxModel, OnnxNode
from .onnx_numerics import (
    average_pool_is_exact,
    average_pool_scale,
    clip_bounds,
    clip_is_absorbed,
    exact_average_scale,
    product_scale,
)
from .onnx_values import Accumulated, Constant, Hosted, Integers, Reals, ScaledConstant, Value
from .onnx_window import Window, window
from .problem import Refusal
from .requantization import FloatRequantization

__all__ = ["LayerBuilder", "input_elements", "map_elements", "map_shape", "stated_zero_point"]

INT32_MAX = 2**31 - 1


class LayerBuilder:
    """Builds ``result``, the graph, while ``values`` tells what each tensor of the source model stands for.

    ``claimed`` holds the tensors whose map shape a layer relies on. Methods raise Refusal for a rule that is not met.
    """

    def __init__(self, model: OnnxModel) -> None:
        self.model = model
        self.values: dict[str, Value] = {name: Constant(array) for name, array in model.constants.items()}
        self.result = Graph(name=model.name, source=model.source)
        self.claimed: set[str] = set()

    def new_input(self, name: str, source: NDArray[np.int64], scale: float, zero_point: int, unsigned: bool) -> None:
        """The graph's input map, in the order of the source model until a layer asks for another."""
        self.result.input = name
        self.result.input_order = source.ravel()
        self.add_tensor(name, (1, 1, source.size), source.shape, scale, zero_point, unsigned)

    def add_tensor(
        self,
        name: str,
        shape: tuple[int, int, int],
        reference_shape: tuple[int, ...],
        scale: float,
        zero_point: int,
        unsigned: bool,
    ) -> None:
        self.result.tensors[name] = Tensor(
            name=name,
            shape=shape,
            scale=scale,
            zero_point=zero_point,
            unsigned=unsigned,
            reference=name,
            reference_shape=reference_shape,
        )

    def new_map(
        self,
        name: str,
        shape: tuple[int, int, int],
        elements: NDArray[np.int64],
        scale: float,
        zero_point: int,
        unsigned: bool,
    ) -> Integers:
        self.add_tensor(name, shape, elements.shape, scale, zero_point, unsigned)
        return Integers(name, elements, self.model.uses[name] == 1)

    def tensor_scale(self, tensor: str) -> np.float32:
        return np.float32(self.result.tensors[tensor].scale)

    def as_map(self, tensor: str, elements: NDArray[np.int64]) -> tuple[int, int, int]:
        """The shape of a map that a layer reads as (1, C, H, W) or (1, C, L); refuses a layout that is not in memory."""
        if elements.ndim not in (3, 4) or elements.shape[0] != 1:
            raise Refusal(
                f"its input has shape {'x'.join(map(str, elements.shape))}, not 1 x channels x height x width",
                "use one- or two-dimensional maps and batch 1",
            )
        order = np.moveaxis(elements[0], 0, -1)
        shape = (1, *order.shape) if order.ndim == 2 else order.shape
        flat = order.ravel()
        known = self.result.tensors[tensor]
        if tensor == self.result.input and tensor not in self.claimed and flat.size == math.prod(known.shape):
            self.arrange_input(flat)
        elif shape != known.shape or not np.array_equal(flat, np.arange(flat.size)):
            raise Refusal(
                "the data must be rearranged in front of it (Reshape or Transpose of a map)",
                "keep the layout of the producing layer, or rearrange the network's input only",
            )
        result = (int(shape[0]), int(shape[1]), int(shape[2]))
        self.result.tensors[tensor] = replace(self.result.tensors[tensor], shape=result)
        self.claimed.add(tensor)
        return result

    def arrange_input(self, order: NDArray[np.int64]) -> None:
        """Let the host lay the input out so that map element i is the present element ``order[i]``."""
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        self.result.input_order = self.result.input_order[order]
        for name, value in self.values.items():
            if isinstance(value, Integers | Reals | Hosted) and value.tensor == self.result.input:
                self.values[name] = replace(value, elements=place[value.elements])

    def convolution(
        self,
        node: OnnxNode,
        value: Integers | Reals,
        weights: ScaledConstant,
        bias: NDArray[np.int64],
        biased: bool,
        reasons: tuple[str, ...] = (),
    ) -> Accumulated:
        if weights.integers.ndim not in (3, 4):
            raise Refusal(
                f"its weights have {weights.integers.ndim} dimensions", "only one- and two-dimensional convolutions"
            )
        height, width, channels = self.as_map(value.tensor, value.elements)
        spatial = value.elements.ndim - 2
        if weights.integers.ndim != value.elements.ndim:
            raise Refusal("its weights do not have the dimensions of its input", "correct the model")
        kernel = tuple(int(extent) for extent in weights.integers.shape[2:])
        stated = tuple(int(extent) for extent in node.attributes.get("kernel_shape", kernel))
        if stated != kernel:
            raise Refusal(f"kernel_shape {stated} is not that of its weights, {kernel}", "correct the model")
        frame = window(node.attributes, kernel, (height, width)[2 - spatial :])
        groups = int(node.attributes.get("group", 1))
        outputs, inputs = (int(extent) for extent in weights.integers.shape[:2])
        if groups < 1 or inputs * groups != channels or outputs % groups:
            raise Refusal(
                f"{groups} groups of {inputs} input channels do not make {channels} channels, {outputs} outputs",
                "correct the model",
            )
        array = weights.integers.reshape(outputs, inputs, *frame.kernel)
        rows, columns = frame.output_extent(height, width)
        return self.accumulated(
            node,
            value.tensor,
            frame,
            groups,
            int8_weights(np.moveaxis(array, 1, -1)),
            bias,
            channel_scale(weights, 0, outputs),
            (rows, columns, outputs),
            map_elements((1, outputs, *(rows, columns)[2 - spatial :])),
            biased,
            reasons,
        )

    def fully_connected(
        self,
        node: OnnxNode,
        value: Integers | Reals,
        matrix: NDArray[np.int64],
        scale: NDArray[np.float32],
        bias: NDArray[np.int64],
        biased: bool,
        reasons: tuple[str, ...] = (),
    ) -> Accumulated:
        """A product with a (inputs, outputs) matrix: a convolution whose kernel covers the map."""
        inputs, outputs = matrix.shape
        if value.elements.ndim != 2 or value.elements.shape[0] != 1:
            raise Refusal(
                f"its input has shape {'x'.join(map(str, value.elements.shape))}, not 1 x values",
                "flatten the map in front of it",
            )
        tensor = self.result.tensors[value.tensor]
        if value.elements.size != inputs or inputs != math.prod(tensor.shape):
            raise Refusal(f"its matrix takes {inputs} values, its input has {value.elements.size}", "correct the model")
        weights = np.empty((outputs, inputs), np.int64)
        weights[:, value.elements.ravel()] = matrix.T
        self.claimed.add(value.tensor)
        height, width, channels = tensor.shape
        return self.accumulated(
            node,
            value.tensor,
            Window((height, width)),
            1,
            int8_weights(weights.reshape(outputs, height, width, channels)),
            bias,
            scale,
            (1, 1, outputs),
            np.arange(outputs, dtype=np.int64)[None],
            biased,
            reasons,
        )

    def average_pool(self, node: OnnxNode, value: Integers | Reals, reasons: tuple[str, ...] = ()) -> Accumulated:
        if any(int(step) != 1 for step in node.attributes.get("dilations", ())):
            raise Refusal("its dilations are not 1", "use AveragePool without dilation")
        height, width, channels = self.as_map(value.tensor, value.elements)
        spatial = value.elements.ndim - 2
        kernel = tuple(int(extent) for extent in node.attributes.get("kernel_shape", ()))
        frame = window(node.attributes, kernel, (height, width)[2 - spatial :])
        if any(frame.padding) and not node.attributes.get("count_include_pad", 0):
            raise Refusal(
                "with padding and count_include_pad=0 the divisor changes at the border",
                "use count_include_pad=1 or no padding",
            )
        count = math.prod(frame.kernel)
        total = self.average_sums(node, value, frame, channels, count, spatial)
        x_scale = self.tensor_scale(value.tensor)
        return replace(
            total,
            reasons=reasons,
            pool_count=count,
            scale=lambda y_scale: np.full(channels, exact_average_scale(x_scale, y_scale, count)),
        )

    def global_average_pool(self, node: OnnxNode, value: Integers | Reals) -> Accumulated:
        height, width, channels = self.as_map(value.tensor, value.elements)
        frame = Window((height, width))
        return self.average_sums(node, value, frame, channels, height * width, value.elements.ndim - 2)

    def average_sums(
        self, node: OnnxNode, value: Integers | Reals, frame: Window, channels: int, count: int, spatial: int
    ) -> Accumulated:
        height, width, _ = self.result.tensors[value.tensor].shape
        rows, columns = frame.output_extent(height, width)
        shape = (1, channels, *(rows, columns)[2 - spatial :])
        total = self.accumulated(
            node,
            value.tensor,
            frame,
            channels,
            np.ones((channels, *frame.kernel, 1), np.int8),
            np.zeros(channels, np.int64),
            np.ones(channels, np.float32),
            (rows, columns, channels),
            map_elements(shape),
            True,
            (),
        )
        x_scale = self.tensor_scale(value.tensor)
        return replace(
            total, scale=lambda y_scale: np.full(channels, average_pool_scale(x_scale, y_scale, count), np.float32)
        )

    def accumulated(
        self,
        node: OnnxNode,
        tensor: str,
        frame: Window,
        groups: int,
        weights: NDArray[np.int8],
        bias: NDArray[np.int64],
        weight_scale: NDArray[np.float32],
        shape: tuple[int, int, int],
        elements: NDArray[np.int64],
        biased: bool,
        reasons: tuple[str, ...],
    ) -> Accumulated:
        source = self.result.tensors[tensor]
        largest = max(127 - source.zero_point, 128 + source.zero_point)
        magnitudes = np.abs(weights.astype(np.int64)).reshape(len(weights), -1).sum(1) * largest + np.abs(bias)
        if magnitudes.max(initial=0) > INT32_MAX:
            channel = int(magnitudes.argmax())
            raise Refusal(
                f"the sums of output channel {channel} can exceed int32", "use smaller kernels or a smaller bias"
            )
        x_scale = self.tensor_scale(tensor)
        return Accumulated(
            name=node.name,
            operator=node.operator,
            tensor=tensor,
            window=frame,
            groups=groups,
            weights=weights,
            bias=bias,
            weight_scale=weight_scale,
            scale=lambda y_scale: product_scale(x_scale, weight_scale, y_scale),
            shape=shape,
            elements=elements,
            reasons=reasons,
            biased=biased,
        )

    def finish_layer(
        self, total: Accumulated, node: OnnxNode, scale: float, zero_point: int, unsigned: bool
    ) -> Integers:
        """Close a layer: its sums get an output quantization."""
        name = node.outputs[0]
        y_scale = np.float32(scale)
        reasons = list(total.reasons)
        low, high = clip_bounds(total.minimum, total.maximum, scale, zero_point)
        if not clip_is_absorbed(total.minimum, total.maximum, scale, zero_point):
            reasons.append(
                "its Relu or Clip is not implied by the output's range, so ONNX Runtime computes it in float32"
            )
        source = self.result.tensors[total.tensor]
        if node.operator == "QuantizeLinear" and not unsigned and name in self.model.outputs:
            reasons.append(
                "its int8 output is the model's output, which ONNX Runtime fuses only with the session option "
                "session.qdqisint8allowed=1"
            )
        elif source.unsigned != unsigned:
            reasons.append("its input and output have different types (uint8, int8)")
        if total.pool_count:
            parameters = (np.float32(source.scale), source.zero_point, y_scale, zero_point, total.pool_count)
            if not average_pool_is_exact(*parameters):
                reasons.append(
                    "ONNX Runtime averages in float32 and decides ties by rounding noise; the engine rounds them up"
                )
        if reasons:
            reason = "; ".join(reasons)
            self.result.deviations.append(Deviation(node=total.name, operator=total.operator, steps=1, reason=reason))
        with np.errstate(over="ignore", under="ignore"):
            factors = total.scale(y_scale)
        if not np.isfinite(factors).all():
            raise Refusal("its output scale is too small for its input and weight scales", "calibrate the model again")
        layer = Convolution(
            name=total.name,
            operator=total.operator,
            input=total.tensor,
            output=name,
            weights=total.weights,
            bias=total.bias,
            requantization=FloatRequantization(
                scale=factors, zero_point=zero_point, low=low, high=high, ties_up=bool(total.pool_count)
            ),
            stride=total.window.stride,
            padding=total.window.padding,
            dilation=total.window.dilation,
            groups=total.groups,
        )
        self.result.nodes.append(layer)
        return self.new_map(name, total.shape, total.elements, scale, zero_point, unsigned)


def stated_zero_point(zero_point: int, unsigned: bool) -> int:
    """A zero point as the source model writes it."""
    return zero_point + 128 if unsigned else zero_point


def input_elements(elements: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places in a new input map that holds the elements in their present order."""
    return np.arange(elements.size, dtype=np.int64).reshape(elements.shape)


def map_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(1, C), (1, C, L) or (1, C, H, W) as height, width, channels."""
    height, width = ((1, 1, *shape[2:]))[-2:]
    return height, width, shape[1]


def map_elements(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Places of the elements of a (1, C, ...) tensor in its (..., C) map."""
    order = np.arange(math.prod(shape), dtype=np.int64).reshape(*shape[2:], shape[1])
    return np.moveaxis(order, -1, 0)[None]
