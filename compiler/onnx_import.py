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

from .graph import Convolution, Graph, HostStep, MaxPool
from .onnx_constants import (
    QUANTIZE_REMEDY,
    bias_integers,
    channel_scale,
    scaled_constant,
    weight_matrix,
)
from .onnx_layers import LayerBuilder, input_elements, map_elements, map_shape, stated_zero_point
from .onnx_model import OnnxModel, OnnxNode, load_onnx
from .onnx_numerics import (
    clip_bounds,
)
from .onnx_values import Accumulated, Constant, Hosted, Integers, Reals, ScaledConstant, Source, Unknown, Value
from .onnx_window import window
from .problem import ModelError, Problem, Refusal

__all__ = ["import_onnx"]

ACTIVATION_TYPES = {TensorProto.UINT8: True, TensorProto.INT8: False}
QUANTIZED_OPERATORS = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "QGemm"}
OUTPUT_QUANTIZATION = {
    "QuantizeLinear": (1, 2),
    "QLinearConv": (6, 7),
    "QLinearMatMul": (6, 7),
    "QGemm": (7, 8),
    "QLinearAveragePool": (3, 4),
    "QLinearGlobalAveragePool": (3, 4),
}
"""Where an operator that makes a quantized map has the scale and zero point of its output."""

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


class _Skip(Exception):
    """A node depends on one that has a problem already."""


class _Importer(LayerBuilder):
    def __init__(self, model: OnnxModel) -> None:
        super().__init__(model)
        self.problems: list[Problem] = []
        self.quantized_inputs: dict[tuple[float, int, bool, bytes], str] = {}
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
            raise ModelError(
                [Problem("", "", "", "it is not quantized: no QuantizeLinear, no QLinearConv", QUANTIZE_REMEDY)]
            )
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
        except Refusal as refusal:
            self._report(node, refusal.rule, refusal.remedy)
        except _Skip:
            pass
        if isinstance(value, Unknown) and node.operator in OUTPUT_QUANTIZATION:
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
            scale, zero_point, unsigned = self._quantization(node, *OUTPUT_QUANTIZATION[node.operator])
        except (Refusal, _Skip):
            return Unknown()
        return self.new_map(node.outputs[0], map_shape(shape), map_elements(shape), scale, zero_point, unsigned)

    def _value(self, node: OnnxNode, index: int) -> Value:
        name = node.input(index)
        value = self.values.get(name)
        if value is None:
            raise Refusal(f"input {index} is missing", "correct the model")
        if isinstance(value, Unknown):
            raise _Skip
        return value

    def _constant(self, node: OnnxNode, index: int, what: str) -> NDArray[Any]:
        value = self._value(node, index)
        if not isinstance(value, Constant):
            raise Refusal(f"{what} must be a constant", "make it an initializer of the model")
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
            self.problems.append(
                Problem("", "", str(kind), rule, "export the model with batch size 1 or a symbolic batch")
            )
            return
        self.result.input_name, self.result.input_shape = name, shape
        elements = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
        self.result.input_float = kind.element == TensorProto.FLOAT
        if kind.element == TensorProto.FLOAT:
            self.values[name] = Source(elements)
        elif kind.element in ACTIVATION_TYPES:
            self.new_input(name, elements, math.nan, 0, ACTIVATION_TYPES[kind.element])
            self.values[name] = Integers(name, input_elements(elements))
        else:
            rule = f"input {name!r} is {kind.element_name}, only float32, uint8 and int8 are supported"
            self.problems.append(Problem("", "", str(kind), rule, "cast the input on the host"))

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
        for key, tensor in result.tensors.items():
            if math.isnan(tensor.scale):
                result.tensors[key] = replace(tensor, scale=1.0)
        result.output, result.output_name = value.tensor, name
        result.output_order = value.elements.ravel()
        result.output_shape = model.type(name).static or value.elements.shape
        result.host_steps = list(steps)

    # Tensors of the graph

    def _quantization(self, node: OnnxNode, scale_index: int, zero_index: int) -> tuple[float, int, bool]:
        """Scale, zero point in the int8 domain and signedness of an activation."""
        scale = self._constant(node, scale_index, "the scale")
        if scale.size != 1:
            raise Refusal("activations must have one scale for the whole tensor", "quantize activations per tensor")
        if scale.dtype != np.float32:
            raise Refusal(f"the scale is {scale.dtype}, not float32", "export the model with float32 scales")
        value = float(scale.reshape(()))
        if not (math.isfinite(value) and value > 0.0):
            raise Refusal(f"the scale {value} is not positive", "quantize again with more calibration data")
        if int(node.attributes.get("block_size", 0)):
            raise Refusal("blocked quantization is not supported", "quantize activations per tensor")
        if node.input(zero_index):
            zero_point = self._constant(node, zero_index, "the zero point")
            element = {np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int8): TensorProto.INT8}.get(
                zero_point.dtype, 0
            )
            name = str(zero_point.dtype)
            if zero_point.size != 1:
                raise Refusal("activations must have one zero point", "quantize activations per tensor")
            integer = int(zero_point.reshape(())) if element else 0
        else:
            element = int(node.attributes.get("output_dtype", 0)) or TensorProto.UINT8
            if node.operator == "DequantizeLinear":
                element = self.model.type(node.input(0)).element or TensorProto.UINT8
            name, integer = TensorProto.DataType.Name(element).lower(), 0
        if element not in ACTIVATION_TYPES:
            raise Refusal(
                f"activations are {name}, only uint8 and int8 are supported", "quantize activations to 8 bits"
            )
        unsigned = ACTIVATION_TYPES[element]
        return value, integer - 128 if unsigned else integer, unsigned

    def _integers(self, node: OnnxNode, index: int, scale_index: int, zero_index: int) -> Integers:
        """A quantized input whose scale and zero point the node states; they must be those of its producer."""
        value = self._value(node, index)
        if not isinstance(value, Integers):
            raise Refusal("its input is not a quantized map", "feed it uint8 or int8 activations")
        scale, zero_point, unsigned = self._quantization(node, scale_index, zero_index)
        tensor = self.result.tensors[value.tensor]
        if math.isnan(tensor.scale):
            # An integer input, maybe behind max pools: its first reader tells the quantization.
            for name, other in self.result.tensors.items():
                if math.isnan(other.scale):
                    self.result.tensors[name] = replace(other, scale=scale, zero_point=zero_point)
            tensor = self.result.tensors[value.tensor]
        if (scale, zero_point, unsigned) != (tensor.scale, tensor.zero_point, tensor.unsigned):
            raise Refusal(
                f"it reads {node.input(index)!r} with scale {scale:g} and zero point {stated_zero_point(zero_point, unsigned)}, but "
                f"that was written with {tensor.scale:g} and {stated_zero_point(tensor.zero_point, tensor.unsigned)}",
                "use the same scale and zero point on both sides",
            )
        return value

    # QuantizeLinear and DequantizeLinear

    def _quantize(self, node: OnnxNode) -> Value:
        value = self._value(node, 0)
        scale, zero_point, unsigned = self._quantization(node, 1, 2)
        name = node.outputs[0]
        if isinstance(value, Source):
            key = (scale, zero_point, unsigned, value.elements.tobytes())
            if key not in self.quantized_inputs:
                if self.quantized_inputs:
                    raise Refusal("the input is quantized twice in different ways", "quantize the input once")
                self.new_input(name, value.elements, scale, zero_point, unsigned)
                self.quantized_inputs[key] = name
                return Integers(name, input_elements(value.elements))
            return self.values[self.quantized_inputs[key]]
        if isinstance(value, Accumulated):
            return self.finish_layer(value, node, scale, zero_point, unsigned)
        if isinstance(value, Reals):
            return self._quantize_again(value, node, scale, zero_point, unsigned)
        if isinstance(value, Hosted):
            step = value.steps[-1]
            raise Refusal(
                f"it quantizes the result of {step.kind} ({step.name}), which the host computes",
                "exclude that node from quantization (nodes_to_exclude) and keep it last",
            )
        raise Refusal("it quantizes a constant", "store the quantized numbers as an initializer (constant folding)")

    def _quantize_again(self, value: Reals, node: OnnxNode, scale: float, zero_point: int, unsigned: bool) -> Value:
        tensor = self.result.tensors[value.tensor]
        if (scale, zero_point, unsigned) != (tensor.scale, tensor.zero_point, tensor.unsigned):
            raise Refusal(
                f"it changes the quantization of an existing map from scale {tensor.scale:g}, zero point "
                f"{stated_zero_point(tensor.zero_point, tensor.unsigned)} to scale {scale:g}, zero point {stated_zero_point(zero_point, unsigned)}",
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
            raise Refusal(
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
            raise Refusal(f"a constant is quantized to {array.dtype}, not int8, uint8 or int32", QUANTIZE_REMEDY)
        if int(node.attributes.get("block_size", 0)):
            raise Refusal("blocked quantization is not supported", "quantize weights per tensor or per channel")
        scale = self._constant(node, 1, "the scale")
        zero_point = self._constant(node, 2, "the zero point") if node.input(2) else np.zeros((), array.dtype)
        axis = int(node.attributes.get("axis", 1))
        return scaled_constant(array, scale, zero_point, axis)

    # Layers on the array

    def _activations(self, node: OnnxNode, index: int = 0) -> tuple[Reals, tuple[str, ...]]:
        value = self._value(node, index)
        if not isinstance(value, Reals):
            raise Refusal(
                "its input is not dequantized int8 or uint8",
                "insert QuantizeLinear and DequantizeLinear in front of it: " + QUANTIZE_REMEDY,
            )
        if value.minimum > -math.inf or value.maximum < math.inf:
            raise Refusal(
                "a Relu or Clip in front of it is not quantized", "quantize the Relu or Clip together with its producer"
            )
        reasons = () if value.direct else ("its input is reshaped or pooled after DequantizeLinear",)
        return value, reasons

    def _weights(self, node: OnnxNode, index: int) -> tuple[ScaledConstant, tuple[str, ...]]:
        value = self._value(node, index)
        if not isinstance(value, ScaledConstant):
            raise Refusal("its weights are not quantized constants", QUANTIZE_REMEDY)
        return value, ("its weights are transposed after DequantizeLinear",) if value.moved else ()

    def _conv(self, node: OnnxNode) -> Value:
        activations, input_reasons = self._activations(node)
        weights, weight_reasons = self._weights(node, 1)
        scale = self.tensor_scale(activations.tensor)
        bias, biased = self._bias(node, 2, scale, channel_scale(weights, 0, weights.integers.shape[0]))
        return self.convolution(node, activations, weights, bias, biased, input_reasons + weight_reasons)

    def _bias(
        self, node: OnnxNode, index: int, x_scale: np.float32, weight_scale: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], bool]:
        """A bias as integers in units of the accumulator, and whether there is one."""
        if not node.input(index):
            return np.zeros(len(weight_scale), np.int64), False
        value = self._value(node, index)
        return bias_integers(value, (x_scale * weight_scale).astype(np.float32)), True

    def _gemm(self, node: OnnxNode) -> Value:
        activations, input_reasons = self._activations(node)
        weights, weight_reasons = self._weights(node, 1)
        _check_gemm(node)
        matrix, scale = weight_matrix(weights, bool(node.attributes.get("transB", 0)))
        bias, biased = self._bias(node, 2, self.tensor_scale(activations.tensor), scale)
        return self.fully_connected(node, activations, matrix, scale, bias, biased, input_reasons + weight_reasons)

    def _matmul(self, node: OnnxNode) -> Value:
        if isinstance(self._value(node, 0), ScaledConstant | Constant):
            raise Refusal("its first operand is constant", "multiply activations by a constant matrix, in this order")
        if isinstance(self._value(node, 1), Reals):
            raise Refusal("it multiplies two activations", "only products with constant weights are supported")
        activations, input_reasons = self._activations(node)
        weights, weight_reasons = self._weights(node, 1)
        matrix, scale = weight_matrix(weights, False)
        bias = np.zeros(matrix.shape[1], np.int64)
        return self.fully_connected(node, activations, matrix, scale, bias, False, input_reasons + weight_reasons)

    def _add_bias(self, node: OnnxNode) -> Value:
        values = [self._value(node, 0), self._value(node, 1)]
        sums = [value for value in values if isinstance(value, Accumulated)]
        constants = [value for value in values if isinstance(value, Constant | ScaledConstant)]
        if len(sums) != 1 or len(constants) != 1 or sums[0].biased or sums[0].pool_count:
            raise Refusal(
                NOT_YET["Add"],
                "only the bias of a MatMul can be added (quant_pre_process fuses MatMul and Add to Gemm)",
            )
        total = sums[0]
        bias = bias_integers(constants[0], (self.tensor_scale(total.tensor) * total.weight_scale).astype(np.float32))
        reasons = total.reasons
        if total.operator != "MatMul" or self.model.uses[node.inputs[values.index(total)]] != 1:
            reasons += ("ONNX Runtime adds its bias in float32",)
        return replace(total, bias=bias, biased=True, reasons=reasons)

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
                    raise Refusal(f"the bound {attribute} must be one number", "correct the model")
                bounds[index] = float(bound.reshape(()))
            elif attribute in node.attributes:
                bounds[index] = float(node.attributes[attribute])
        if math.isnan(bounds[0]) or math.isnan(bounds[1]) or bounds[0] > bounds[1]:
            raise Refusal(f"its bounds {bounds[0]:g} and {bounds[1]:g} are not ascending", "correct the model")
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
        raise Refusal("its input is not the result of a quantized layer", QUANTIZE_REMEDY)

    # Pooling

    def _max_pool(self, node: OnnxNode) -> Value:
        value = self._value(node, 0)
        if not isinstance(value, Integers | Reals):
            raise Refusal(
                "its input is not quantized", "insert QuantizeLinear and DequantizeLinear between the layer and MaxPool"
            )
        if isinstance(value, Reals) and (value.minimum > -math.inf or value.maximum < math.inf):
            raise Refusal("a Relu or Clip in front of it is not quantized", "quantize it together with its producer")
        if len(node.outputs) > 1 and any(self.model.uses[name] for name in node.outputs[1:]):
            raise Refusal("its second output, the indices, is used", "only the maxima are supported")
        if any(int(step) != 1 for step in node.attributes.get("dilations", ())):
            raise Refusal("its dilations are not 1", "use MaxPool without dilation")
        height, width, channels = self.as_map(value.tensor, value.elements)
        spatial = value.elements.ndim - 2
        kernel = tuple(int(extent) for extent in node.attributes.get("kernel_shape", ()))
        frame = window(node.attributes, kernel, (height, width)[2 - spatial :])
        rows, columns = frame.output_extent(height, width)
        source = self.result.tensors[value.tensor]
        shape = (1, channels, *(rows, columns)[2 - spatial :])
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
        result = self.new_map(
            name,
            (rows, columns, channels),
            map_elements(shape),
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
        return self.average_pool(node, activations, reasons)

    def _global_average_pool(self, node: OnnxNode) -> Value:
        activations, reasons = self._activations(node)
        return replace(self.global_average_pool(node, activations), reasons=reasons)

    # Data movement

    def _identity(self, node: OnnxNode) -> Value:
        if node.operator == "Dropout" and node.input(2) and bool(self._constant(node, 2, "training_mode").any()):
            raise Refusal("it is in training mode", "export the model for inference")
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
            raise Refusal("the shape of its output is not known", "make the shape a constant (quant_pre_process)")
        return static

    def _transpose(self, node: OnnxNode) -> Value:
        order = tuple(int(axis) for axis in node.attributes.get("perm", ()))
        value = self._value(node, 0)
        if isinstance(value, ScaledConstant):
            axes = order or tuple(reversed(range(value.integers.ndim)))
            axis = axes.index(value.axis) if value.scale.ndim else value.axis
            return replace(value, integers=value.integers.transpose(axes), axis=axis, moved=True)
        return self._moved(node, value, lambda elements: elements.transpose(order or None))

    def _moved(self, node: OnnxNode, value: Value, move: Callable[[NDArray[Any]], NDArray[Any]]) -> Value:
        if isinstance(value, Constant):
            return Constant(move(value.array))
        if isinstance(value, ScaledConstant):
            if value.scale.ndim:
                raise Refusal("it reshapes constants that are quantized per channel", "fold it into the constant")
            return replace(value, integers=move(value.integers), moved=True)
        if isinstance(value, Hosted):
            if value.steps[-1].kind == "argmax":
                raise Refusal("it follows ArgMax, which is the last step of the host", "remove it")
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
            raise Refusal("its input is not the dequantized output of a layer", QUANTIZE_REMEDY)
        self._check_classes(node, value.elements, int(node.attributes.get("axis", -1 if self.model.opset >= 13 else 1)))
        steps = (HostStep(kind="dequantize", name=node.input(0)), HostStep(kind="softmax", name=node.name))
        return Hosted(value.tensor, value.elements, steps)

    def _argmax(self, node: OnnxNode) -> Value:
        value = self._value(node, 0)
        if not isinstance(value, Integers | Reals | Hosted):
            raise Refusal("its input is not the output of a layer", QUANTIZE_REMEDY)
        if isinstance(value, Reals) and (value.minimum > -math.inf or value.maximum < math.inf):
            raise Refusal("a Relu or Clip in front of it is not quantized", "remove it: ArgMax does not need it")
        if node.attributes.get("select_last_index", 0):
            raise Refusal("select_last_index=1 is not supported", "use the first index")
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
            raise Refusal(
                f"it works along axis {axis} of {'x'.join(map(str, shape))}, not on one vector",
                "only a final vector of classes is supported",
            )
        if any(self.model.nodes[i].operator not in _AFTER_HOST for i in self._consumers(node.outputs[0])):
            raise Refusal("layers follow it", "only a final Softmax or ArgMax is supported; the host computes it")

    def _consumers(self, name: str) -> Iterable[int]:
        return (index for index, node in enumerate(self.model.nodes) if name in node.inputs)

    # QLinear form

    def _qlinear_conv(self, node: OnnxNode) -> Value:
        value = self._integers(node, 0, 1, 2)
        weights = self._stated_weights(node, 3, 4, 5, 0)
        bias = self._stated_bias(node, 8, weights.integers.shape[0])
        total = self.convolution(node, value, weights, bias, True)
        return self.finish_layer(total, node, *self._quantization(node, *OUTPUT_QUANTIZATION[node.operator]))

    def _qlinear_matmul(self, node: OnnxNode) -> Value:
        value = self._integers(node, 0, 1, 2)
        matrix, scale = weight_matrix(self._stated_weights(node, 3, 4, 5, 1), False)
        total = self.fully_connected(node, value, matrix, scale, np.zeros(matrix.shape[1], np.int64), True)
        return self.finish_layer(total, node, *self._quantization(node, *OUTPUT_QUANTIZATION[node.operator]))

    def _qgemm(self, node: OnnxNode) -> Value:
        value = self._integers(node, 0, 1, 2)
        _check_gemm(node)
        transposed = bool(node.attributes.get("transB", 0))
        matrix, scale = weight_matrix(self._stated_weights(node, 3, 4, 5, 0 if transposed else 1), transposed)
        bias = self._stated_bias(node, 6, matrix.shape[1])
        if not node.input(7):
            raise Refusal("its output is float32", "give it an output scale and zero point")
        total = self.fully_connected(node, value, matrix, scale, bias, True)
        return self.finish_layer(total, node, *self._quantization(node, *OUTPUT_QUANTIZATION[node.operator]))

    def _stated_weights(self, node: OnnxNode, index: int, scale: int, zero_point: int, axis: int) -> ScaledConstant:
        array = self._constant(node, index, "the weights")
        if array.dtype not in (np.int8, np.uint8):
            raise Refusal(f"its weights are {array.dtype}", "quantize weights to int8")
        scales = self._constant(node, scale, "the weight scale")
        zeros = (
            self._constant(node, zero_point, "the weight zero point")
            if node.input(zero_point)
            else np.zeros((), array.dtype)
        )
        return scaled_constant(array, scales, zeros, axis)

    def _stated_bias(self, node: OnnxNode, index: int, outputs: int) -> NDArray[np.int64]:
        if not node.input(index):
            return np.zeros(outputs, np.int64)
        bias = self._constant(node, index, "the bias")
        if bias.dtype != np.int32 or bias.size not in (1, outputs):
            raise Refusal(f"its bias is {bias.dtype} of {bias.size} values", f"use int32, {outputs} values")
        return np.broadcast_to(bias.ravel().astype(np.int64), outputs).copy()

    def _qlinear_average_pool(self, node: OnnxNode) -> Value:
        _check_channels_first(node)
        total = self.average_pool(node, self._integers(node, 0, 1, 2))
        return self.finish_layer(total, node, *self._quantization(node, *OUTPUT_QUANTIZATION[node.operator]))

    def _qlinear_global_average_pool(self, node: OnnxNode) -> Value:
        _check_channels_first(node)
        total = self.global_average_pool(node, self._integers(node, 0, 1, 2))
        return self.finish_layer(total, node, *self._quantization(node, *OUTPUT_QUANTIZATION[node.operator]))


_AFTER_HOST = {"Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "ArgMax", "QuantizeLinear"}


def _unsupported(node: OnnxNode) -> Refusal:
    if node.operator in NOT_YET:
        return Refusal(NOT_YET[node.operator], "leave it out of the accelerated part of the model")
    if node.operator == "BatchNormalization":
        return Refusal("batch normalization is not quantized", "fold it into the convolution with quant_pre_process")
    if node.operator in ("DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"):
        return Refusal("dynamic quantization is not supported", QUANTIZE_REMEDY)
    return Refusal("this operator is not supported", "replace it or leave it out of the accelerated part of the model")


def _check_gemm(node: OnnxNode) -> None:
    if float(node.attributes.get("alpha", 1.0)) != 1.0 or float(node.attributes.get("beta", 1.0)) != 1.0:
        raise Refusal("alpha and beta must be 1", "fold them into the weights and the bias before quantization")
    if int(node.attributes.get("transA", 0)):
        raise Refusal("its first operand is transposed", "use transA=0")


def _check_channels_first(node: OnnxNode) -> None:
    if int(node.attributes.get("channels_last", 0)):
        raise Refusal("channels_last=1 is not supported", "use a model that ONNX Runtime has not optimized already")
