"""A quantized ONNX model to the integer graph: QDQ and QLinear form, every problem of the model reported at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from .graph import Convolution, Deviation, Graph, HostStep, MaxPool, Requantization, Tensor
from .onnx_model import OnnxModel, OnnxNode, load_onnx
from .onnx_numerics import (
    average_pool_is_exact,
    average_pool_scale,
    bias_scale_matches,
    clip_bounds,
    clip_is_absorbed,
    integer_bias,
    product_scale,
)
from .onnx_values import Accumulated, Constant, Hosted, Integers, Reals, ScaledConstant, Source, Unknown, Value
from .onnx_window import Window, WindowError, window
from .problem import ModelError, Problem

__all__ = ["import_onnx"]

INT32 = np.iinfo(np.int32)
ACTIVATION_TYPES = {TensorProto.UINT8: True, TensorProto.INT8: False}
QUANTIZED_OPERATORS = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "QGemm"}
QUANTIZE_REMEDY = (
    "quantize it with onnxruntime.quantization.quantize_static(quant_format=QuantFormat.QDQ, per_channel=True, "
    "activation_type=QuantType.QInt8, weight_type=QuantType.QInt8) after quant_pre_process"
)
NOT_YET = {
    "Add": "element-wise addition is not supported yet",
    "QLinearAdd": "element-wise addition is not supported yet",
    "Concat": "concatenation is not supported yet",
    "QLinearConcat": "concatenation is not supported yet",
    "ConvTranspose": "transposed convolution is not supported yet",
    "Mul": "element-wise multiplication is not supported yet",
    "QLinearMul": "element-wise multiplication is not supported yet",
}


def import_onnx(path: str | Path) -> Graph:
    """Read a quantized ONNX model into the integer graph.

    Raises UserError for a file that cannot be read, and ModelError with every problem of a model that cannot be built.
    """
    return _Importer(load_onnx(path)).graph()


class _Refusal(Exception):
    """A node breaks a rule; caught by the walk, which goes on to find the next problem."""

    def __init__(self, rule: str, remedy: str) -> None:
        self.rule, self.remedy = rule, remedy
        super().__init__(rule)


class _Skip(Exception):
    """A node depends on one that has a problem already."""


class _Importer:
    def __init__(self, model: OnnxModel) -> None:
        self.model = model
        self.problems: list[Problem] = []
        self.values: dict[str, Value] = {name: Constant(array) for name, array in model.constants.items()}
        self.result = Graph(name=model.name, source=model.source)
        self.claimed: set[str] = set()  # tensors whose map shape a consumer relies on
        self.quantized_inputs: dict[tuple[float, int, bool, bytes], Integers] = {}
        self.operators: dict[tuple[str, str], Callable[[OnnxNode], Value]] = {
            ("", "QuantizeLinear"): self._quantize,
            ("", "DequantizeLinear"): self._dequantize,
            ("", "Conv"): self._conv,
            ("", "Gemm"): self._gemm,
            ("", "MatMul"): self._matmul,
            ("", "Add"): self._add_bias,
            ("", "Relu"): self._relu,
            ("", "Clip"): self._clip,
            ("", "MaxPool"): self._max_pool,
            ("", "AveragePool"): self._average_pool,
            ("", "GlobalAveragePool"): self._global_average_pool,
            ("", "Flatten"): self._move,
            ("", "Reshape"): self._move,
            ("", "Squeeze"): self._move,
            ("", "Unsqueeze"): self._move,
            ("", "Transpose"): self._transpose,
            ("", "Identity"): self._identity,
            ("", "Dropout"): self._identity,
            ("", "Softmax"): self._softmax,
            ("", "ArgMax"): self._argmax,
            ("", "QLinearConv"): self._qlinear_conv,
            ("", "QLinearMatMul"): self._qlinear_matmul,
            ("com.microsoft", "QGemm"): self._qgemm,
            ("com.microsoft", "QLinearAveragePool"): self._qlinear_average_pool,
            ("com.microsoft", "QLinearGlobalAveragePool"): self._qlinear_global_average_pool,
            ("com.microsoft", "QuantizeLinear"): self._quantize,
            ("com.microsoft", "DequantizeLinear"): self._dequantize,
        }

    # The walk

    def graph(self) -> Graph:
        """Walk the model; the graph, or ModelError."""
        if not any(node.operator in QUANTIZED_OPERATORS for node in self.model.nodes):
            raise ModelError([Problem("", "", "", "it is not quantized: no QuantizeLinear, no QLinearConv", QUANTIZE_REMEDY)])
        self._take_input()
        for node in self.model.nodes:
            self._visit(node)
        self._give_output()
        if self.problems:
            raise ModelError(self.problems)
        return self.result

    def _visit(self, node: OnnxNode) -> None:
        if node.operator == "Constant" and node.domain == "":
            return
        value: Value = Unknown()
        try:
            handler = self.operators.get((node.domain, node.operator))
            if handler is None:
                raise _unsupported(node)
            value = handler(node)
        except (_Refusal, WindowError) as refusal:
            self._report(node, refusal.rule, refusal.remedy)
        except _Skip:
            pass
        if isinstance(value, Unknown) and node.operator in ("QuantizeLinear", "QLinearConv"):
            value = self._placeholder(node)
        for output in node.outputs:
            if output:
                self.values[output] = Unknown()
        self.values[node.outputs[0]] = value

    def _report(self, node: OnnxNode, rule: str, remedy: str) -> None:
        data = next((name for name in node.inputs if name and name not in self.model.constants), node.input(0))
        shapes = f"{self.model.type(data)} -> {self.model.type(node.outputs[0])}"
        operator = f"{node.domain}.{node.operator}" if node.domain else node.operator
        self.problems.append(Problem(node.name, operator, shapes, rule, remedy))

    def _placeholder(self, node: OnnxNode) -> Value:
        """After a problem: a quantized map of the right shape, so that later problems are found in the same run."""
        shape = self.model.type(node.outputs[0]).static
        if shape is None or shape[:1] != (1,) or not 2 <= len(shape) <= 4 or 0 in shape:
            return Unknown()
        try:
            if node.operator == "QuantizeLinear":
                scale, zero_point, unsigned = self._quantization(node, 1, 2)
            else:
                scale, zero_point, unsigned = self._quantization(node, 6, 7)
        except (_Refusal, _Skip):
            return Unknown()
        return self._new_map(node.outputs[0], _map_shape(shape), _map_elements(shape), scale, zero_point, unsigned)

    def _value(self, node: OnnxNode, index: int) -> Value:
        name = node.input(index)
        value = self.values.get(name)
        if value is None:
            raise _Refusal(f"input {index} is missing", "correct the model")
        if isinstance(value, Unknown):
            raise _Skip
        return value

    def _constant(self, node: OnnxNode, index: int, what: str) -> NDArray[Any]:
        value = self._value(node, index)
        if not isinstance(value, Constant):
            raise _Refusal(f"{what} must be a constant", "make it an initializer of the model")
        return value.array

    # Input and output of the network

    def _take_input(self) -> None:
        model = self.model
        if len(model.inputs) != 1:
            names = ", ".join(model.inputs) or "none"
            rule = f"it has {len(model.inputs)} inputs ({names}), exactly one is supported"
            self.problems.append(Problem("", "", "", rule, "split the model or fold the other inputs into constants"))
            for name in model.inputs:
                self.values[name] = Unknown()
            return
        name = model.inputs[0]
        kind = model.type(name)
        shape = kind.static
        self.values[name] = Unknown()
        if shape is None or 0 in shape:
            rule = f"input {name!r} has the dynamic shape {kind}"
            remedy = "give every extent but the batch a number (onnxruntime.tools.make_dynamic_shape_fixed)"
            self.problems.append(Problem("", "", str(kind), rule, remedy))
            return
        if len(shape) < 2 or shape[0] != 1:
            rule = f"input {name!r} has shape {kind}, but its first extent must be a batch of 1"
            self.problems.append(Problem("", "", str(kind), rule, "export the model with batch size 1 or a symbolic batch"))
            return
        self.result.input_name, self.result.input_shape = name, shape
        elements = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
        self.result.input_float = kind.element == TensorProto.FLOAT
        if kind.element == TensorProto.FLOAT:
            self.values[name] = Source(elements)
        elif kind.element in ACTIVATION_TYPES:
            self._new_input(name, elements, math.nan, 0, ACTIVATION_TYPES[kind.element])
            self.values[name] = Integers(name, _as_input(elements))
        else:
            rule = f"input {name!r} is {kind.element_name}, only float32, uint8 and int8 are supported"
            self.problems.append(Problem("", "", str(kind), rule, "cast the input on the host"))

    def _new_input(
        self, name: str, source: NDArray[np.int64], scale: float, zero_point: int, unsigned: bool
    ) -> None:
        """The graph's input map, in the order of the source model until a layer asks for another."""
        self.result.input = name
        self.result.input_order = source.ravel()
        self._add_tensor(name, (1, 1, source.size), source.shape, scale, zero_point, unsigned)

    def _give_output(self) -> None:
        model = self.model
        if len(model.outputs) != 1:
            rule = f"it has {len(model.outputs)} outputs ({', '.join(model.outputs)}), exactly one is supported"
            self.problems.append(Problem("", "", "", rule, "remove all outputs but one"))
            return
        name = model.outputs[0]
        value = self.values.get(name, Unknown())
        if isinstance(value, Unknown):
            if not self.problems:
                self.problems.append(Problem("", "", "", f"output {name!r} is not computed", "correct the model"))
            return
        steps: tuple[HostStep, ...] = ()
        unbounded = isinstance(value, Reals) and value.minimum == -math.inf and value.maximum == math.inf
        if isinstance(value, Hosted):
            steps = value.steps
        elif isinstance(value, Reals) and unbounded:
            steps = (HostStep(kind="dequantize", name=name),)
        elif not isinstance(value, Integers):
            rule = f"output {name!r} is computed in float32 from the sums of the last layer"
            remedy = "quantize the output: QuantizeLinear and DequantizeLinear at the end of the model"
            node = next((node for node in model.nodes if name in node.outputs), None)
            self.problems.append(
                Problem(node.name if node else "", node.operator if node else "", str(model.type(name)), rule, remedy)
            )
            return
        result = self.result
        if math.isnan(result.tensors[value.tensor].scale):
            result.tensors[value.tensor] = replace(result.tensors[value.tensor], scale=1.0)
        result.output, result.output_name = value.tensor, name
        result.output_order = value.elements.ravel()
        result.output_shape = model.type(name).static or value.elements.shape
        result.host_steps = list(steps)

    # Tensors of the graph

    def _add_tensor(
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

    def _new_map(
        self,
        name: str,
        shape: tuple[int, int, int],
        elements: NDArray[np.int64],
        scale: float,
        zero_point: int,
        unsigned: bool,
    ) -> Integers:
        self._add_tensor(name, shape, elements.shape, scale, zero_point, unsigned)
        return Integers(name, elements, self.model.uses[name] == 1)

    def _quantization(self, node: OnnxNode, scale_index: int, zero_index: int) -> tuple[float, int, bool]:
        """Scale, zero point in the int8 domain and signedness of an activation."""
        scale = self._constant(node, scale_index, "the scale")
        if scale.size != 1:
            raise _Refusal("activations must have one scale for the whole tensor", "quantize activations per tensor")
        if scale.dtype != np.float32:
            raise _Refusal(f"the scale is {scale.dtype}, not float32", "export the model with float32 scales")
        value = float(scale.reshape(()))
        if not (math.isfinite(value) and value > 0.0):
            raise _Refusal(f"the scale {value} is not positive", "quantize again with more calibration data")
        if int(node.attributes.get("block_size", 0)):
            raise _Refusal("blocked quantization is not supported", "quantize activations per tensor")
        if node.input(zero_index):
            zero_point = self._constant(node, zero_index, "the zero point")
            element = {np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int8): TensorProto.INT8}.get(zero_point.dtype, 0)
            name = str(zero_point.dtype)
            if zero_point.size != 1:
                raise _Refusal("activations must have one zero point", "quantize activations per tensor")
            integer = int(zero_point.reshape(())) if element else 0
        else:
            element = int(node.attributes.get("output_dtype", 0)) or TensorProto.UINT8
            if node.operator == "DequantizeLinear":
                element = self.model.type(node.input(0)).element or TensorProto.UINT8
            name, integer = TensorProto.DataType.Name(element).lower(), 0
        if element not in ACTIVATION_TYPES:
            raise _Refusal(f"activations are {name}, only uint8 and int8 are supported", "quantize activations to 8 bits")
        unsigned = ACTIVATION_TYPES[element]
        return value, integer - 128 if unsigned else integer, unsigned

    def _integers(self, node: OnnxNode, index: int, scale_index: int, zero_index: int) -> Integers:
        """A quantized input whose scale and zero point the node states; they must be those of its producer."""
        value = self._value(node, index)
        if not isinstance(value, Integers):
            raise _Refusal("its input is not a quantized map", "feed it uint8 or int8 activations")
        scale, zero_point, unsigned = self._quantization(node, scale_index, zero_index)
        tensor = self.result.tensors[value.tensor]
        if math.isnan(tensor.scale):
            tensor = replace(tensor, scale=scale, zero_point=zero_point)
            self.result.tensors[value.tensor] = tensor
        if (scale, zero_point, unsigned) != (tensor.scale, tensor.zero_point, tensor.unsigned):
            raise _Refusal(
                f"it reads {node.input(index)!r} with scale {scale:g} and zero point {_stated(zero_point, unsigned)}, but "
                f"that was written with {tensor.scale:g} and {_stated(tensor.zero_point, tensor.unsigned)}",
                "use the same scale and zero point on both sides",
            )
        return value

    def _as_map(self, tensor: str, elements: NDArray[np.int64]) -> tuple[int, int, int]:
        """The shape of a map that a layer reads as (1, C, H, W) or (1, C, L); refuses a layout that is not in memory."""
        if elements.ndim not in (3, 4) or elements.shape[0] != 1:
            raise _Refusal(
                f"its input has shape {'x'.join(map(str, elements.shape))}, not 1 x channels x height x width",
                "use one- or two-dimensional maps and batch 1",
            )
        order = np.moveaxis(elements[0], 0, -1)
        shape = (1, *order.shape) if order.ndim == 2 else order.shape
        flat = order.ravel()
        known = self.result.tensors[tensor]
        if tensor == self.result.input and tensor not in self.claimed and flat.size == math.prod(known.shape):
            self._arrange_input(flat)
        elif shape != known.shape or not np.array_equal(flat, np.arange(flat.size)):
            raise _Refusal(
                "the data must be rearranged in front of it (Reshape or Transpose of a map)",
                "keep the layout of the producing layer, or rearrange the network's input only",
            )
        result = (int(shape[0]), int(shape[1]), int(shape[2]))
        self.result.tensors[tensor] = replace(self.result.tensors[tensor], shape=result)
        self.claimed.add(tensor)
        return result

    def _arrange_input(self, order: NDArray[np.int64]) -> None:
        """Let the host lay the input out so that map element i is the present element ``order[i]``."""
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        self.result.input_order = self.result.input_order[order]
        for name, value in self.values.items():
            if isinstance(value, Integers | Reals | Hosted) and value.tensor == self.result.input:
                self.values[name] = replace(value, elements=place[value.elements])

    # QuantizeLinear and DequantizeLinear

    def _quantize(self, node: OnnxNode) -> Value:
        value = self._value(node, 0)
        scale, zero_point, unsigned = self._quantization(node, 1, 2)
        name = node.outputs[0]
        if isinstance(value, Source):
            key = (scale, zero_point, unsigned, value.elements.tobytes())
            if key not in self.quantized_inputs:
                if self.quantized_inputs:
                    raise _Refusal("the input is quantized twice in different ways", "quantize the input once")
                self._new_input(name, value.elements, scale, zero_point, unsigned)
                self.quantized_inputs[key] = Integers(name, _as_input(value.elements))
            return self.quantized_inputs[key]
        if isinstance(value, Accumulated):
            return self._finish(value, node, scale, zero_point, unsigned)
        if isinstance(value, Reals):
            return self._quantize_again(value, node, scale, zero_point, unsigned)
        if isinstance(value, Hosted):
            step = value.steps[-1]
            raise _Refusal(
                f"it quantizes the result of {step.kind} ({step.name}), which the host computes",
                "exclude that node from quantization (nodes_to_exclude) and keep it last",
            )
        raise _Refusal("it quantizes a constant", "store the quantized numbers as an initializer (constant folding)")

    def _quantize_again(self, value: Reals, node: OnnxNode, scale: float, zero_point: int, unsigned: bool) -> Value:
        tensor = self.result.tensors[value.tensor]
        if (scale, zero_point, unsigned) != (tensor.scale, tensor.zero_point, tensor.unsigned):
            raise _Refusal(
                f"it changes the quantization of an existing map from scale {tensor.scale:g}, zero point "
                f"{_stated(tensor.zero_point, tensor.unsigned)} to scale {scale:g}, zero point {_stated(zero_point, unsigned)}",
                "give pooling, Relu, Clip and reshaping the same scale and zero point at input and output",
            )
        name = node.outputs[0]
        low, high = clip_bounds(value.minimum, value.maximum, scale, zero_point)
        exclusive = value.exclusive and self.model.uses[name] == 1
        if (low, high) == (-128, 127):
            return Integers(value.tensor, value.elements, exclusive)
        layers = [index for index, layer in enumerate(self.result.nodes) if layer.output == value.tensor]
        layer = self.result.nodes[layers[0]] if layers else None
        if not isinstance(layer, Convolution) or not value.exclusive:
            raise _Refusal(
                "a Relu or Clip between two quantizations can only join the one layer in front of it",
                "put the Relu or Clip between the convolution and its QuantizeLinear",
            )
        rule = layer.requantization
        low, high = max(low, rule.low), max(min(high, rule.high), max(low, rule.low))
        self.result.nodes[layers[0]] = replace(layer, requantization=replace(rule, low=low, high=high))
        self.result.tensors[value.tensor] = replace(tensor, reference=name, reference_shape=value.elements.shape)
        return Integers(value.tensor, value.elements, exclusive)

    def _dequantize(self, node: OnnxNode) -> Value:
        value = self._value(node, 0)
        if isinstance(value, Constant):
            return self._scaled_constant(value.array, node)
        integers = self._integers(node, 0, 1, 2)
        exclusive = integers.exclusive and self.model.uses[node.outputs[0]] == 1
        return Reals(integers.tensor, integers.elements, exclusive)

    def _scaled_constant(self, array: NDArray[Any], node: OnnxNode) -> ScaledConstant:
        if array.dtype not in (np.int8, np.uint8, np.int32):
            raise _Refusal(f"a constant is quantized to {array.dtype}, not int8, uint8 or int32", QUANTIZE_REMEDY)
        if int(node.attributes.get("block_size", 0)):
            raise _Refusal("blocked quantization is not supported", "quantize weights per tensor or per channel")
        scale = self._constant(node, 1, "the scale")
        zero_point = self._constant(node, 2, "the zero point") if node.input(2) else np.zeros((), array.dtype)
        axis = int(node.attributes.get("axis", 1))
        return _scaled(array, scale, zero_point, axis)

    # Layers on the array

    def _activations(self, node: OnnxNode, index: int = 0) -> tuple[Reals, tuple[str, ...]]:
        value = self._value(node, index)
        if not isinstance(value, Reals):
            raise _Refusal(
                "its input is not dequantized int8 or uint8",
                "insert QuantizeLinear and DequantizeLinear in front of it: " + QUANTIZE_REMEDY,
            )
        if value.minimum > -math.inf or value.maximum < math.inf:
            raise _Refusal(
                "a Relu or Clip in front of it is not quantized", "quantize the Relu or Clip together with its producer"
            )
        reasons = () if value.direct else ("its input is reshaped or pooled after DequantizeLinear",)
        return value, reasons

    def _weights(self, node: OnnxNode, index: int) -> tuple[ScaledConstant, tuple[str, ...]]:
        value = self._value(node, index)
        if not isinstance(value, ScaledConstant):
            raise _Refusal("its weights are not quantized constants", QUANTIZE_REMEDY)
        return value, ("its weights are transposed after DequantizeLinear",) if value.moved else ()

    def _conv(self, node: OnnxNode) -> Value:
        activations, input_reasons = self._activations(node)
        weights, weight_reasons = self._weights(node, 1)
        scale = self._tensor_scale(activations.tensor)
        bias, biased = self._bias(node, 2, scale, _channel_scale(weights, 0, weights.integers.shape[0]))
        return self._convolution(node, activations, weights, bias, biased, input_reasons + weight_reasons)

    def _convolution(
        self,
        node: OnnxNode,
        value: Integers | Reals,
        weights: ScaledConstant,
        bias: NDArray[np.int64],
        biased: bool,
        reasons: tuple[str, ...] = (),
    ) -> Accumulated:
        if weights.integers.ndim not in (3, 4):
            raise _Refusal(
                f"its weights have {weights.integers.ndim} dimensions", "only one- and two-dimensional convolutions"
            )
        height, width, channels = self._as_map(value.tensor, value.elements)
        spatial = value.elements.ndim - 2
        if weights.integers.ndim != value.elements.ndim:
            raise _Refusal("its weights do not have the dimensions of its input", "correct the model")
        kernel = tuple(int(extent) for extent in weights.integers.shape[2:])
        stated = tuple(int(extent) for extent in node.attributes.get("kernel_shape", kernel))
        if stated != kernel:
            raise _Refusal(f"kernel_shape {stated} is not that of its weights, {kernel}", "correct the model")
        frame = window(node.attributes, kernel, (height, width)[2 - spatial :])
        groups = int(node.attributes.get("group", 1))
        outputs, inputs = (int(extent) for extent in weights.integers.shape[:2])
        if groups < 1 or inputs * groups != channels or outputs % groups:
            raise _Refusal(
                f"{groups} groups of {inputs} input channels do not make {channels} channels, {outputs} outputs",
                "correct the model",
            )
        array = weights.integers.reshape(outputs, inputs, *frame.kernel)
        rows, columns = frame.output_extent(height, width)
        return self._accumulated(
            node,
            value.tensor,
            frame,
            groups,
            _int8_weights(np.moveaxis(array, 1, -1)),
            bias,
            _channel_scale(weights, 0, outputs),
            (rows, columns, outputs),
            _map_elements((1, outputs, rows, columns)[: 4 if spatial == 2 else 2] + (() if spatial == 2 else (columns,))),
            biased,
            reasons,
        )

    def _accumulated(
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
        if magnitudes.max(initial=0) > INT32.max:
            channel = int(magnitudes.argmax())
            raise _Refusal(f"the sums of output channel {channel} can exceed int32", "use smaller kernels or a smaller bias")
        x_scale = self._tensor_scale(tensor)
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

    def _tensor_scale(self, tensor: str) -> np.float32:
        return np.float32(self.result.tensors[tensor].scale)

    def _bias(
        self, node: OnnxNode, index: int, x_scale: np.float32, weight_scale: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], bool]:
        """A bias as integers in units of the accumulator, and whether there is one."""
        if not node.input(index):
            return np.zeros(len(weight_scale), np.int64), False
        value = self._value(node, index)
        return _integer_bias(value, (x_scale * weight_scale).astype(np.float32)), True

    def _gemm(self, node: OnnxNode) -> Value:
        activations, input_reasons = self._activations(node)
        weights, weight_reasons = self._weights(node, 1)
        _check_gemm(node)
        matrix, scale = _matrix(weights, bool(node.attributes.get("transB", 0)))
        bias, biased = self._bias(node, 2, self._tensor_scale(activations.tensor), scale)
        return self._fully_connected(node, activations, matrix, scale, bias, biased, input_reasons + weight_reasons)

    def _matmul(self, node: OnnxNode) -> Value:
        if isinstance(self._value(node, 0), ScaledConstant | Constant):
            raise _Refusal("its first operand is constant", "multiply activations by a constant matrix, in this order")
        if isinstance(self._value(node, 1), Reals):
            raise _Refusal("it multiplies two activations", "only products with constant weights are supported")
        activations, input_reasons = self._activations(node)
        weights, weight_reasons = self._weights(node, 1)
        matrix, scale = _matrix(weights, False)
        bias = np.zeros(matrix.shape[1], np.int64)
        return self._fully_connected(node, activations, matrix, scale, bias, False, input_reasons + weight_reasons)

    def _fully_connected(
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
            raise _Refusal(
                f"its input has shape {'x'.join(map(str, value.elements.shape))}, not 1 x values",
                "flatten the map in front of it",
            )
        tensor = self.result.tensors[value.tensor]
        if value.elements.size != inputs or inputs != math.prod(tensor.shape):
            raise _Refusal(f"its matrix takes {inputs} values, its input has {value.elements.size}", "correct the model")
        weights = np.empty((outputs, inputs), np.int64)
        weights[:, value.elements.ravel()] = matrix.T
        self.claimed.add(value.tensor)
        height, width, channels = tensor.shape
        return self._accumulated(
            node,
            value.tensor,
            Window((height, width)),
            1,
            _int8_weights(weights.reshape(outputs, height, width, channels)),
            bias,
            scale,
            (1, 1, outputs),
            np.arange(outputs, dtype=np.int64)[None],
            biased,
            reasons,
        )

    def _add_bias(self, node: OnnxNode) -> Value:
        values = [self._value(node, 0), self._value(node, 1)]
        sums = [value for value in values if isinstance(value, Accumulated)]
        constants = [value for value in values if isinstance(value, Constant | ScaledConstant)]
        if len(sums) != 1 or len(constants) != 1 or sums[0].biased or sums[0].pool_count:
            raise _Refusal(
                NOT_YET["Add"], "only the bias of a MatMul can be added (quant_pre_process fuses MatMul and Add to Gemm)"
            )
        total = sums[0]
        bias = _integer_bias(constants[0], (self._tensor_scale(total.tensor) * total.weight_scale).astype(np.float32))
        reasons = total.reasons
        if total.operator != "MatMul" or self.model.uses[node.inputs[values.index(total)]] != 1:
            reasons += ("ONNX Runtime adds its bias in float32",)
        return replace(total, bias=bias, biased=True, reasons=reasons)

    def _finish(self, total: Accumulated, node: OnnxNode, scale: float, zero_point: int, unsigned: bool) -> Integers:
        """Close a layer: its sums get an output quantization."""
        name = node.outputs[0]
        y_scale = np.float32(scale)
        reasons = list(total.reasons)
        low, high = clip_bounds(total.minimum, total.maximum, scale, zero_point)
        if not clip_is_absorbed(total.minimum, total.maximum, scale, zero_point):
            reasons.append("its Relu or Clip is not implied by the output's range, so ONNX Runtime computes it in float32")
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
                reasons.append("ONNX Runtime averages in float32, which breaks ties by rounding noise")
        if reasons:
            reason = "; ".join(reasons)
            self.result.deviations.append(Deviation(node=total.name, operator=total.operator, steps=1, reason=reason))
        with np.errstate(over="ignore", under="ignore"):
            factors = total.scale(y_scale)
        if not np.isfinite(factors).all():
            raise _Refusal("its output scale is too small for its input and weight scales", "calibrate the model again")
        layer = Convolution(
            name=total.name,
            operator=total.operator,
            input=total.tensor,
            output=name,
            weights=total.weights,
            bias=total.bias,
            requantization=Requantization(
                scale=factors, zero_point=zero_point, low=low, high=high, zero_point_first=bool(total.pool_count)
            ),
            stride=total.window.stride,
            padding=total.window.padding,
            dilation=total.window.dilation,
            groups=total.groups,
        )
        self.result.nodes.append(layer)
        return self._new_map(name, total.shape, total.elements, scale, zero_point, unsigned)

    # Relu and Clip

    def _relu(self, node: OnnxNode) -> Value:
        return self._bounded(node, 0.0, math.inf)

    def _clip(self, node: OnnxNode) -> Value:
        bounds = [-math.inf, math.inf]
        for index, attribute in enumerate(("min", "max")):
            if node.input(index + 1):
                value = self._value(node, index + 1)
                if isinstance(value, ScaledConstant) and value.integers.size == 1:
                    bounds[index] = float((value.integers * value.scale).reshape(()))
                    continue
                bound = self._constant(node, index + 1, f"the bound {attribute}")
                if bound.size != 1:
                    raise _Refusal(f"the bound {attribute} must be one number", "correct the model")
                bounds[index] = float(bound.reshape(()))
            elif attribute in node.attributes:
                bounds[index] = float(node.attributes[attribute])
        if math.isnan(bounds[0]) or math.isnan(bounds[1]) or bounds[0] > bounds[1]:
            raise _Refusal(f"its bounds {bounds[0]:g} and {bounds[1]:g} are not ascending", "correct the model")
        return self._bounded(node, *bounds)

    def _bounded(self, node: OnnxNode, minimum: float, maximum: float) -> Value:
        value = self._value(node, 0)
        if isinstance(value, Accumulated) and self.model.uses[node.input(0)] != 1:
            value = replace(value, reasons=(*value.reasons, "its sums are used without the Relu or Clip too"))
        if isinstance(value, Reals):
            exclusive = value.exclusive and self.model.uses[node.outputs[0]] == 1
            value = replace(value, direct=False, exclusive=exclusive)
        if isinstance(value, Accumulated | Reals):
            low = min(max(value.minimum, minimum), maximum)
            return replace(value, minimum=low, maximum=max(low, min(value.maximum, maximum)))
        raise _Refusal("its input is not the result of a quantized layer", QUANTIZE_REMEDY)

    # Pooling

    def _max_pool(self, node: OnnxNode) -> Value:
        value = self._value(node, 0)
        if not isinstance(value, Integers | Reals):
            raise _Refusal(
                "its input is not quantized", "insert QuantizeLinear and DequantizeLinear between the layer and MaxPool"
            )
        if isinstance(value, Reals) and (value.minimum > -math.inf or value.maximum < math.inf):
            raise _Refusal("a Relu or Clip in front of it is not quantized", "quantize it together with its producer")
        if len(node.outputs) > 1 and any(self.model.uses[name] for name in node.outputs[1:]):
            raise _Refusal("its second output, the indices, is used", "only the maxima are supported")
        if any(int(step) != 1 for step in node.attributes.get("dilations", ())):
            raise _Refusal("its dilations are not 1", "use MaxPool without dilation")
        height, width, channels = self._as_map(value.tensor, value.elements)
        spatial = value.elements.ndim - 2
        kernel = tuple(int(extent) for extent in node.attributes.get("kernel_shape", ()))
        frame = window(node.attributes, kernel, (height, width)[2 - spatial :])
        rows, columns = frame.output_extent(height, width)
        source = self.result.tensors[value.tensor]
        shape = (1, channels, rows, columns) if spatial == 2 else (1, channels, columns)
        name = self._pool_reference(node, isinstance(value, Reals))
        self.result.nodes.append(
            MaxPool(
                name=node.name,
                operator=node.operator,
                input=value.tensor,
                output=name,
                kernel=frame.kernel,
                stride=frame.stride,
                padding=frame.padding,
            )
        )
        result = self._new_map(
            name,
            (rows, columns, channels),
            _map_elements(shape),
            source.scale,
            source.zero_point,
            source.unsigned,
        )
        if isinstance(value, Reals):
            return Reals(name, result.elements, self.model.uses[node.outputs[0]] == 1, direct=False)
        return result

    def _pool_reference(self, node: OnnxNode, real: bool) -> str:
        """The quantized tensor that holds a pool's maxima: its own output, or that of the QuantizeLinear behind it."""
        output = node.outputs[0]
        if real:
            for other in self.model.nodes:
                if other.operator == "QuantizeLinear" and other.input(0) == output:
                    return other.outputs[0]
        return output

    def _average_pool(self, node: OnnxNode) -> Value:
        activations, reasons = self._activations(node)
        return self._average(node, activations, reasons)

    def _average(self, node: OnnxNode, value: Integers | Reals, reasons: tuple[str, ...] = ()) -> Accumulated:
        if any(int(step) != 1 for step in node.attributes.get("dilations", ())):
            raise _Refusal("its dilations are not 1", "use AveragePool without dilation")
        height, width, channels = self._as_map(value.tensor, value.elements)
        spatial = value.elements.ndim - 2
        kernel = tuple(int(extent) for extent in node.attributes.get("kernel_shape", ()))
        frame = window(node.attributes, kernel, (height, width)[2 - spatial :])
        if any(frame.padding) and not node.attributes.get("count_include_pad", 0):
            raise _Refusal(
                "with padding and count_include_pad=0 the divisor changes at the border",
                "use count_include_pad=1 or no padding",
            )
        count = math.prod(frame.kernel)
        total = self._average_sums(node, value, frame, channels, count, spatial)
        return replace(total, reasons=reasons, pool_count=count)

    def _global_average_pool(self, node: OnnxNode) -> Value:
        activations, reasons = self._activations(node)
        return replace(self._global_average(node, activations), reasons=reasons)

    def _global_average(self, node: OnnxNode, value: Integers | Reals) -> Accumulated:
        height, width, channels = self._as_map(value.tensor, value.elements)
        frame = Window((height, width))
        return self._average_sums(node, value, frame, channels, height * width, value.elements.ndim - 2)

    def _average_sums(
        self, node: OnnxNode, value: Integers | Reals, frame: Window, channels: int, count: int, spatial: int
    ) -> Accumulated:
        height, width, _ = self.result.tensors[value.tensor].shape
        rows, columns = frame.output_extent(height, width)
        shape = (1, channels, rows, columns) if spatial == 2 else (1, channels, columns)
        total = self._accumulated(
            node,
            value.tensor,
            frame,
            channels,
            np.ones((channels, *frame.kernel, 1), np.int8),
            np.zeros(channels, np.int64),
            np.ones(channels, np.float32),
            (rows, columns, channels),
            _map_elements(shape),
            True,
            (),
        )
        x_scale = self._tensor_scale(value.tensor)
        return replace(
            total, scale=lambda y_scale: np.full(channels, average_pool_scale(x_scale, y_scale, count), np.float32)
        )

    # Data movement

    def _identity(self, node: OnnxNode) -> Value:
        if node.operator == "Dropout" and node.input(2) and bool(self._constant(node, 2, "training_mode").any()):
            raise _Refusal("it is in training mode", "export the model for inference")
        value = self._value(node, 0)
        if isinstance(value, Integers | Reals):
            return replace(value, exclusive=value.exclusive and self.model.uses[node.outputs[0]] == 1)
        return value

    def _move(self, node: OnnxNode) -> Value:
        value = self._value(node, 0)
        shape = self._target_shape(node, value)
        return self._moved(node, value, lambda elements: elements.reshape(shape))

    def _target_shape(self, node: OnnxNode, value: Value) -> tuple[int, ...]:
        if isinstance(value, Constant):
            source = value.array.shape
        elif isinstance(value, ScaledConstant):
            source = value.integers.shape
        else:
            assert not isinstance(value, Unknown)
            source = value.elements.shape
        if node.operator == "Flatten":
            axis = int(node.attributes.get("axis", 1))
            axis += len(source) if axis < 0 else 0
            return (math.prod(source[:axis]), math.prod(source[axis:]))
        static = self.model.type(node.outputs[0]).static
        if static is None and node.operator == "Reshape" and node.input(1) in self.model.constants:
            wanted = [int(extent) for extent in self.model.constants[node.input(1)].ravel()]
            if not node.attributes.get("allowzero", 0):
                wanted = [source[i] if extent == 0 and i < len(source) else extent for i, extent in enumerate(wanted)]
            static = tuple(wanted)
            if static.count(-1) == 1:
                rest = math.prod(extent for extent in static if extent != -1)
                static = tuple(math.prod(source) // max(rest, 1) if extent == -1 else extent for extent in static)
        if static is None or math.prod(static) != math.prod(source):
            raise _Refusal("the shape of its output is not known", "make the shape a constant (quant_pre_process)")
        return static

    def _transpose(self, node: OnnxNode) -> Value:
        order = tuple(int(axis) for axis in node.attributes.get("perm", ()))
        value = self._value(node, 0)
        if isinstance(value, ScaledConstant):
            axes = order or tuple(reversed(range(value.integers.ndim)))
            axis = axes.index(value.axis) if value.scale.ndim else value.axis
            return replace(value, integers=value.integers.transpose(axes), axis=axis, moved=True)
        return self._moved(node, value, lambda elements: elements.transpose(order or None))

    def _moved(
        self, node: OnnxNode, value: Value, move: Callable[[NDArray[Any]], NDArray[Any]]
    ) -> Value:
        if isinstance(value, Constant):
            return Constant(move(value.array))
        if isinstance(value, ScaledConstant):
            if value.scale.ndim:
                raise _Refusal("it reshapes constants that are quantized per channel", "fold it into the constant")
            return replace(value, integers=move(value.integers), moved=True)
        if isinstance(value, Hosted):
            if value.steps[-1].kind == "argmax":
                raise _Refusal("it follows ArgMax, which is the last step of the host", "remove it")
            return replace(value, elements=move(value.elements))
        if isinstance(value, Reals):
            exclusive = value.exclusive and self.model.uses[node.outputs[0]] == 1
            return replace(value, elements=move(value.elements), direct=False, exclusive=exclusive)
        if isinstance(value, Integers):
            exclusive = value.exclusive and self.model.uses[node.outputs[0]] == 1
            return replace(value, elements=move(value.elements), exclusive=exclusive)
        if isinstance(value, Accumulated):
            reason = f"{node.operator} stands between it and its QuantizeLinear"
            return replace(value, elements=move(value.elements), reasons=(*value.reasons, reason))
        assert isinstance(value, Source)
        return Source(move(value.elements))

    # Host steps

    def _softmax(self, node: OnnxNode) -> Value:
        value = self._value(node, 0)
        if not isinstance(value, Reals) or value.minimum > -math.inf or value.maximum < math.inf:
            raise _Refusal("its input is not the dequantized output of a layer", QUANTIZE_REMEDY)
        self._check_classes(node, value.elements, int(node.attributes.get("axis", -1 if self.model.opset >= 13 else 1)))
        steps = (HostStep(kind="dequantize", name=node.input(0)), HostStep(kind="softmax", name=node.name))
        return Hosted(value.tensor, value.elements, steps)

    def _argmax(self, node: OnnxNode) -> Value:
        value = self._value(node, 0)
        if not isinstance(value, Integers | Reals | Hosted):
            raise _Refusal("its input is not the output of a layer", QUANTIZE_REMEDY)
        if isinstance(value, Reals) and (value.minimum > -math.inf or value.maximum < math.inf):
            raise _Refusal("a Relu or Clip in front of it is not quantized", "remove it: ArgMax does not need it")
        if node.attributes.get("select_last_index", 0):
            raise _Refusal("select_last_index=1 is not supported", "use the first index")
        self._check_classes(node, value.elements, int(node.attributes.get("axis", 0)))
        steps: tuple[HostStep, ...] = ()
        if isinstance(value, Hosted):
            steps = value.steps
        elif isinstance(value, Reals):
            steps = (HostStep(kind="dequantize", name=node.input(0)),)
        return Hosted(value.tensor, value.elements, (*steps, HostStep(kind="argmax", name=node.name)))

    def _check_classes(self, node: OnnxNode, elements: NDArray[np.int64], axis: int) -> None:
        shape = elements.shape
        axis += len(shape) if axis < 0 else 0
        if not 0 <= axis < len(shape) or shape[axis] != elements.size:
            raise _Refusal(
                f"it works along axis {axis} of {'x'.join(map(str, shape))}, not on one vector",
                "only a final vector of classes is supported",
            )
        if any(self.model.nodes[i].operator not in _AFTER_HOST for i in self._consumers(node.outputs[0])):
            raise _Refusal("layers follow it", "only a final Softmax or ArgMax is supported; the host computes it")

    def _consumers(self, name: str) -> Iterable[int]:
        return (index for index, node in enumerate(self.model.nodes) if name in node.inputs)

    # QLinear form

    def _qlinear_conv(self, node: OnnxNode) -> Value:
        value = self._integers(node, 0, 1, 2)
        weights = self._stated_weights(node, 3, 4, 5, 0)
        bias = self._stated_bias(node, 8, weights.integers.shape[0])
        total = self._convolution(node, value, weights, bias, True)
        return self._finish(total, node, *self._quantization(node, 6, 7))

    def _qlinear_matmul(self, node: OnnxNode) -> Value:
        value = self._integers(node, 0, 1, 2)
        matrix, scale = _matrix(self._stated_weights(node, 3, 4, 5, 1), False)
        total = self._fully_connected(node, value, matrix, scale, np.zeros(matrix.shape[1], np.int64), True)
        return self._finish(total, node, *self._quantization(node, 6, 7))

    def _qgemm(self, node: OnnxNode) -> Value:
        value = self._integers(node, 0, 1, 2)
        _check_gemm(node)
        transposed = bool(node.attributes.get("transB", 0))
        matrix, scale = _matrix(self._stated_weights(node, 3, 4, 5, 0 if transposed else 1), transposed)
        bias = self._stated_bias(node, 6, matrix.shape[1])
        if not node.input(7):
            raise _Refusal("its output is float32", "give it an output scale and zero point")
        total = self._fully_connected(node, value, matrix, scale, bias, True)
        return self._finish(total, node, *self._quantization(node, 7, 8))

    def _stated_weights(self, node: OnnxNode, index: int, scale: int, zero_point: int, axis: int) -> ScaledConstant:
        array = self._constant(node, index, "the weights")
        if array.dtype not in (np.int8, np.uint8):
            raise _Refusal(f"its weights are {array.dtype}", "quantize weights to int8")
        scales = self._constant(node, scale, "the weight scale")
        zeros = self._constant(node, zero_point, "the weight zero point") if node.input(zero_point) else np.zeros((), array.dtype)
        return _scaled(array, scales, zeros, axis)

    def _stated_bias(self, node: OnnxNode, index: int, outputs: int) -> NDArray[np.int64]:
        if not node.input(index):
            return np.zeros(outputs, np.int64)
        bias = self._constant(node, index, "the bias")
        if bias.dtype != np.int32 or bias.size not in (1, outputs):
            raise _Refusal(f"its bias is {bias.dtype} of {bias.size} values", f"use int32, {outputs} values")
        return np.broadcast_to(bias.ravel().astype(np.int64), outputs).copy()

    def _qlinear_average_pool(self, node: OnnxNode) -> Value:
        _check_channels_first(node)
        total = self._average(node, self._integers(node, 0, 1, 2))
        return self._finish(total, node, *self._quantization(node, 3, 4))

    def _qlinear_global_average_pool(self, node: OnnxNode) -> Value:
        _check_channels_first(node)
        total = self._global_average(node, self._integers(node, 0, 1, 2))
        return self._finish(total, node, *self._quantization(node, 3, 4))


_AFTER_HOST = {"Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "ArgMax", "QuantizeLinear"}


def _unsupported(node: OnnxNode) -> _Refusal:
    if node.operator in NOT_YET:
        return _Refusal(NOT_YET[node.operator], "leave it out of the accelerated part of the model")
    if node.operator == "BatchNormalization":
        return _Refusal("batch normalization is not quantized", "fold it into the convolution with quant_pre_process")
    if node.operator in ("DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"):
        return _Refusal("dynamic quantization is not supported", QUANTIZE_REMEDY)
    return _Refusal("this operator is not supported", "replace it or leave it out of the accelerated part of the model")


def _stated(zero_point: int, unsigned: bool) -> int:
    """A zero point as the source model writes it."""
    return zero_point + 128 if unsigned else zero_point


def _as_input(elements: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places in a new input map that holds the elements in their present order."""
    return np.arange(elements.size, dtype=np.int64).reshape(elements.shape)


def _map_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(1, C), (1, C, L) or (1, C, H, W) as height, width, channels."""
    height, width = ((1, 1, *shape[2:]))[-2:]
    return height, width, shape[1]


def _map_elements(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Places of the elements of a (1, C, ...) tensor in its (..., C) map."""
    order = np.arange(math.prod(shape), dtype=np.int64).reshape(*shape[2:], shape[1])
    return np.moveaxis(order, -1, 0)[None]


def _scaled(
    array: NDArray[Any], scale: NDArray[Any], zero_point: NDArray[Any], axis: int
) -> ScaledConstant:
    if scale.dtype != np.float32:
        raise _Refusal(f"a scale is {scale.dtype}, not float32", "export the model with float32 scales")
    if not (np.isfinite(scale).all() and (scale > 0.0).all()):
        raise _Refusal("a weight scale is not positive", "quantize the weights again")
    axis += array.ndim if axis < 0 else 0
    if scale.size == 1 and zero_point.size == 1:
        integers = array.astype(np.int64) - int(zero_point.reshape(()))
        return ScaledConstant(integers, np.float32(scale.reshape(())) + np.zeros((), np.float32), axis, array.dtype.num)
    if not 0 <= axis < array.ndim or scale.shape != (array.shape[axis],) or zero_point.size not in (1, scale.size):
        raise _Refusal(
            f"{scale.size} scales and {zero_point.size} zero points do not belong to axis {axis} of a constant of shape "
            f"{'x'.join(map(str, array.shape))}",
            "quantize weights per tensor or per output channel",
        )
    along = [1] * array.ndim
    along[axis] = scale.size
    zeros = np.broadcast_to(zero_point.ravel().astype(np.int64), scale.shape).reshape(along)
    return ScaledConstant(array.astype(np.int64) - zeros, scale, axis, array.dtype.num)


def _channel_scale(weights: ScaledConstant, axis: int, channels: int) -> NDArray[np.float32]:
    """One scale for each output channel, which lies along ``axis``."""
    if weights.scale.ndim == 0:
        return np.full(channels, weights.scale, np.float32)
    if weights.axis != axis:
        raise _Refusal(
            f"its weights have one scale for each index of axis {weights.axis}, not for each output (axis {axis})",
            "quantize weights per tensor or per output channel",
        )
    return weights.scale


def _int8_weights(integers: NDArray[np.int64]) -> NDArray[np.int8]:
    if integers.size and (integers.min() < -128 or integers.max() > 127):
        raise _Refusal(
            f"its weights minus their zero point reach {integers.min()}..{integers.max()}, outside int8",
            "quantize weights symmetrically (extra_options={'WeightSymmetric': True})",
        )
    return integers.astype(np.int8)


def _matrix(weights: ScaledConstant, transposed: bool) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Weights as an (inputs, outputs) matrix with one scale for each output."""
    if weights.integers.ndim != 2:
        raise _Refusal(f"its weights have {weights.integers.ndim} dimensions", "use a matrix of weights")
    axis = 0 if transposed else 1
    scale = _channel_scale(weights, axis, weights.integers.shape[axis])
    return (weights.integers.T if transposed else weights.integers), scale


def _integer_bias(value: Value, scale: NDArray[np.float32]) -> NDArray[np.int64]:
    outputs = len(scale)
    if isinstance(value, ScaledConstant):
        if not bias_scale_matches(value.scale, scale):
            raise _Refusal(
                "the scale of its bias is not x_scale * w_scale", "quantize the bias with that scale, as quantize_static does"
            )
        integers = value.integers.ravel()
    elif isinstance(value, Constant) and value.array.dtype == np.float32:
        if value.array.size not in (1, outputs):
            raise _Refusal(f"its bias has {value.array.size} values for {outputs} outputs", "use one for each output")
        real = integer_bias(np.broadcast_to(value.array.ravel(), outputs), scale)
        if not np.isfinite(real).all() or real.min() < INT32.min or real.max() > INT32.max:
            raise _Refusal("its bias does not fit int32 at the scale x_scale * w_scale", "quantize the model again")
        integers = real.astype(np.int64)
    else:
        raise _Refusal("its bias is neither int32 with a scale nor a float32 constant", QUANTIZE_REMEDY)
    if integers.size not in (1, outputs):
        raise _Refusal(f"its bias has {integers.size} values for {outputs} outputs", "use one value for each output")
    return np.broadcast_to(integers, outputs).copy()


def _check_gemm(node: OnnxNode) -> None:
    if float(node.attributes.get("alpha", 1.0)) != 1.0 or float(node.attributes.get("beta", 1.0)) != 1.0:
        raise _Refusal("alpha and beta must be 1", "fold them into the weights and the bias before quantization")
    if int(node.attributes.get("transA", 0)):
        raise _Refusal("its first operand is transposed", "use transA=0")


def _check_channels_first(node: OnnxNode) -> None:
    if int(node.attributes.get("channels_last", 0)):
        raise _Refusal("channels_last=1 is not supported", "use a model that ONNX Runtime has not optimized already")
