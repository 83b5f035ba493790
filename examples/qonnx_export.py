"""The binary forms of a trained network as QONNX: Quant and BipolarQuant between float operators, integers all the way.

Every real number in the exported files is a power of two times an integer, but for batch normalizations in front of a sign:
the sums of the reference are then exact in float32, and a layer's thresholds are where they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .signal_network import ConvolutionSpec, FloatArray, Form, PoolSpec, SignalNetwork

if TYPE_CHECKING:
    import torch

__all__ = ["INPUT", "OUTPUT", "OPSET", "IR_VERSION", "folded", "qonnx_model"]

INPUT, OUTPUT = "signal", "scores"
OPSET, IR_VERSION = 17, 8
_QONNX = "qonnx.custom_op.general"


class _Writer:
    """Nodes and constants of a model, one behind the other; ``tensor`` is the last one's output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.tensor = INPUT

    def constant(self, name: str, array: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, operator: str, name: str, inputs: list[str], **attributes: Any) -> str:
        domain = _QONNX if operator in ("Quant", "BipolarQuant") else ""
        self.nodes.append(helper.make_node(operator, inputs, [f"{name}_out"], name, domain=domain, **attributes))
        return f"{name}_out"

    def then(self, operator: str, name: str, *others: str, **attributes: Any) -> None:
        self.tensor = self.node(operator, name, [self.tensor, *others], **attributes)

    def quantize(self, name: str, scale: float, *, signed: bool, rounding: str) -> None:
        """8 bits."""
        scalars = {"scale": np.float32(scale), "zero_point": np.float32(0), "bits": np.float32(8)}
        constants = [self.constant(f"{name}_{what}", value) for what, value in scalars.items()]
        self.then("Quant", name, *constants, signed=int(signed), narrow=0, rounding_mode=rounding)

    def sign(self, name: str) -> None:
        self.then("BipolarQuant", name, self.constant(f"{name}_scale", np.float32(1)))

    def norm(self, name: str, norm: torch.nn.Module) -> None:
        parts = {"scale": norm.weight, "bias": norm.bias, "mean": norm.running_mean, "variance": norm.running_var}
        constants = [self.constant(f"{name}_{what}", value.detach().numpy()) for what, value in parts.items()]
        self.then("BatchNormalization", name, *constants, epsilon=float(norm.eps))

    def signs(self, name: str, weights: FloatArray) -> str:
        """Binary weights: one byte each in the file."""
        stored = self.constant(f"{name}_weights", np.where(weights >= 0, 1, -1).astype(np.int8))
        real = self.node("Cast", f"{name}_cast", [stored], to=TensorProto.FLOAT)
        return self.node("BipolarQuant", f"{name}_weight_sign", [real, self.constant(f"{name}_one", np.float32(1))])

    def integers(self, name: str, weights: FloatArray, scale: FloatArray) -> str:
        """Weights that are 8-bit integers times ``scale``, one for each output channel: a byte each in the file."""
        shape = (-1, *(1,) * (weights.ndim - 1))
        stored = self.constant(f"{name}_weights", np.rint(weights / scale.reshape(shape)).astype(np.int8))
        real = self.node("Cast", f"{name}_cast", [stored], to=TensorProto.FLOAT)
        scaled = self.node("Mul", f"{name}_scaled", [real, self.constant(f"{name}_scale", scale.reshape(shape))])
        scalars = [scale.reshape(shape), np.float32(0), np.float32(8)]
        names = [self.constant(f"{name}_weight_quant_{k}", value) for k, value in enumerate(scalars)]
        return self.node("Quant", f"{name}_weight_quant", [scaled, *names], signed=1, narrow=1, rounding_mode="ROUND")

    def model(self, network: SignalNetwork) -> onnx.ModelProto:
        self.nodes[-1].output[0] = OUTPUT
        graph = helper.make_graph(
            self.nodes,
            network.name,
            inputs=[helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, *network.shape])],
            outputs=[helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, network.classes])],
            initializer=self.constants,
        )
        imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(_QONNX, 1)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="macaw-examples")
        onnx.checker.check_model(model)
        return model


def folded(layer: torch.nn.Module, norm: torch.nn.Module) -> tuple[FloatArray, FloatArray]:
    """Weights and bias of a convolution or a fully connected layer with the batch normalization behind it."""
    factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    weight = layer.weight.double() * factor.reshape(-1, *(1,) * (layer.weight.ndim - 1))
    bias = norm.bias.double() - norm.running_mean.double() * factor
    return weight.detach().numpy().astype(np.float32), bias.detach().numpy().astype(np.float32)


def _power_of_two(largest: float, levels: int) -> float:
    """The smallest power of two of which ``levels`` reach ``largest``."""
    return float(2.0 ** np.ceil(np.log2(max(largest, 1e-6) / levels)))


def qonnx_model(
    network: SignalNetwork, form: Form, model: torch.nn.Sequential, calibration: FloatArray, input_scale: float
) -> onnx.ModelProto:
    """The network in the form that it was trained in, ``Form.CLASSIFIER`` or ``Form.BINARY``.

    The input is quantized to 8 bits of ``input_scale``, a power of two. Real convolutions get 8-bit weights and activations with
    scales that are powers of two: of weights one for each output channel, of a map one that holds 99.99 % of what it is for
    ``calibration``. These quantizers round down, and half a step is part of the bias, so halves go up.
    """
    writer = _Writer()
    modules: Iterator[torch.nn.Module] = iter(model)
    writer.quantize("quantize", input_scale, signed=True, rounding="ROUND")
    scale = input_scale
    maps = calibration
    for layer in network.layers:
        unit = next(modules)
        if isinstance(layer, PoolSpec):
            attributes = {"kernel_shape": layer.kernel, "strides": layer.stride}
            writer.then("MaxPool" if layer.kind == "max" else "AveragePool", layer.name, **attributes)
            maps = _forward([unit], maps)
            if layer.kind == "average" and (form is Form.BINARY or layer is network.layers[-1]):
                norm, sign = next(modules), next(modules)
                writer.norm(f"{layer.name}_norm", norm)
                writer.sign(f"{layer.name}_sign")
                maps = _forward([norm, sign], maps)
            continue
        norm, activation = next(modules), next(modules)
        maps = _forward([unit, norm, activation], maps)
        if form is Form.BINARY:
            weights = writer.signs(layer.name, unit.weight.detach().numpy())
            writer.then("Conv", layer.name, weights, **_window(layer))
            writer.norm(f"{layer.name}_norm", norm)
            writer.sign(f"{layer.name}_sign")
        else:
            signed = layer is network.layers[-1]
            target = 0.0 if signed else _power_of_two(float(np.quantile(maps, 0.9999)), 255)
            _integer_convolution(writer, layer, *folded(unit, norm), scale, target)
            scale = target
    writer.then("Flatten", "flatten", axis=1)
    next(modules), next(modules)  # torch's own Flatten, and the dropout
    for name in ("hidden", "classes"):
        unit, norm = next(modules), next(modules)
        writer.then("MatMul", name, writer.signs(name, unit.weight.detach().numpy().T))
        writer.norm(f"{name}_norm", norm)
        if name == "hidden":
            next(modules)
            writer.sign(f"{name}_sign")
    return writer.model(network)


def _window(layer: ConvolutionSpec) -> dict[str, Any]:
    return {"kernel_shape": layer.kernel, "pads": [*layer.padding, *layer.padding]}


def _integer_convolution(
    writer: _Writer, layer: ConvolutionSpec, weights: FloatArray, bias: FloatArray, scale: float, target: float
) -> None:
    """A convolution of a map with ``scale`` to one with the scale ``target``, or to signs if that is 0."""
    largest = np.abs(weights).reshape(len(weights), -1).max(1)
    steps = np.array([_power_of_two(float(value), 127) for value in largest], np.float32)
    rounded = bias + target / 2
    rounded = np.rint(rounded / (steps * scale)) * (steps * scale)
    constant = writer.constant(f"{layer.name}_bias", rounded.astype(np.float32))
    writer.then("Conv", layer.name, writer.integers(layer.name, weights, steps), constant, **_window(layer))
    if target:
        writer.then("Relu", f"{layer.name}_relu")
        writer.quantize(f"{layer.name}_quantize", target, signed=False, rounding="FLOOR")
    else:
        writer.sign(f"{layer.name}_sign")


def _forward(modules: list[torch.nn.Module], maps: FloatArray) -> FloatArray:
    import torch

    with torch.no_grad():
        values = torch.from_numpy(maps)
        for module in modules:
            values = module(values)
    return values.numpy()
