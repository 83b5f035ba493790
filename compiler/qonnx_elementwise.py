"""Operators of a QONNX model that work element by element in float32: they join the chain behind a layer, or the host's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .graph import HostStep
from .onnx_builder import GraphBuilder, Handler
from .onnx_model import OnnxNode
from .onnx_values import Chained, Constant, Hosted, Prepared, Reals, ScaledConstant, Source, Summed, Value
from .problem import Refusal
from .qonnx_chain import channel_operand, copy_of_map, extended
from .qonnx_constants import constant_reals
from .qonnx_joins import followed_sum, sum_of_maps

__all__ = ["QONNX_ELEMENTWISE", "in_order", "prepared"]

SECOND = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}
"""The step of an operator whose second operand is constant."""


def prepared(value: Source | Prepared) -> Prepared:
    """The model's input as what the host computes from it."""
    return value if isinstance(value, Prepared) else Prepared(elements=value.elements, shape=value.elements.shape)


def with_step(build: GraphBuilder, node: OnnxNode, index: int, kind: str, operand: NDArray[np.float32]) -> Value:
    """One operator more behind an operand of a node; ``operand`` is a constant that broadcasts against it."""
    value = build.value(node, index)
    return _followed(copy_of_map(build, node, index) if isinstance(value, Reals) else value, node, kind, operand)


def _followed(value: Value, node: OnnxNode, kind: str, operand: NDArray[np.float32]) -> Value:
    if isinstance(value, Hosted):
        raise Refusal("it follows a result of the host that is last", "keep Softmax and ArgMax last")
    if isinstance(value, Source | Prepared):
        return _on_host(prepared(value), node, kind, operand)
    if isinstance(value, Summed):
        return followed_sum(value, HostStep(kind=kind, name=node.name, operand=operand))
    if not isinstance(value, Chained):
        raise Refusal("its operands are constants of a kind that cannot be combined", "fold them (constant folding)")
    if kind == "batch_normalization":
        vector = np.stack([channel_operand(row, value) for row in operand])
    else:
        vector = channel_operand(operand, value)
    return extended(value, HostStep(kind=kind, name=node.name, operand=vector))


def _on_host(value: Prepared, node: OnnxNode, kind: str, operand: NDArray[np.float32]) -> Prepared:
    single = operand[0] if kind == "batch_normalization" else operand
    if single.size != 1:
        value = in_order(value)
    if np.broadcast_shapes(single.shape, value.elements.shape) != value.elements.shape:
        raise Refusal("its constant makes its input larger", "correct the model")
    if not np.isfinite(operand).all():
        raise Refusal("its constant is not finite", "correct the model")
    flat = operand.reshape(operand.shape[: operand.ndim - single.ndim]) if single.size == 1 else operand
    return replace(value, steps=(*value.steps, HostStep(kind=kind, name=node.name, operand=flat)))


def in_order(value: Prepared) -> Prepared:
    """The host's values in the model's present shape; refuses an order that a Transpose has changed."""
    shape = value.elements.shape
    if not np.array_equal(value.elements.ravel(), np.arange(value.elements.size)):
        raise Refusal("the network's input is rearranged in front of it", "rearrange the input behind the quantizer")
    if shape == value.shape:
        return value
    step = HostStep(kind="reshape", name="", operand=np.array(shape, np.float32))
    return replace(value, steps=(*value.steps, step), shape=shape)


def _arithmetic(build: GraphBuilder, node: OnnxNode) -> Value:
    values = [build.value(node, 0), build.value(node, 1)]
    constants = [isinstance(value, Constant | ScaledConstant) for value in values]
    kind = SECOND[node.operator]
    if not any(constants):
        if node.operator == "Add":
            return sum_of_maps(build, node)
        raise Refusal("it combines two maps", "of two maps only the sum (Add) and the concatenation are supported")
    if not constants[0]:
        return with_step(build, node, 0, kind, constant_reals(values[1]))
    if all(constants):
        arrays = [constant_reals(value) for value in values]
        operator = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}[node.operator]
        return Constant(operator(*arrays))
    if node.operator == "Div":
        raise Refusal("it divides a constant by a map, which is no monotone function", "divide by a constant")
    return with_step(build, node, 1, "subtract_from" if kind == "subtract" else kind, constant_reals(values[0]))


def _relu(build: GraphBuilder, node: OnnxNode) -> Value:
    return with_step(build, node, 0, "maximum", np.zeros((), np.float32))


def _clip(build: GraphBuilder, node: OnnxNode) -> Value:
    value = build.value(node, 0)
    if isinstance(value, Reals):
        value = copy_of_map(build, node, 0)
    for index, attribute, kind in ((1, "min", "maximum"), (2, "max", "minimum")):
        if node.input(index):
            bound = constant_reals(build.value(node, index))
        elif attribute in node.attributes:
            bound = np.array(node.attributes[attribute], np.float32)
        else:
            continue
        if bound.size != 1:
            raise Refusal(f"the bound {attribute} must be one number", "correct the model")
        value = _followed(value, node, kind, bound.reshape(()))
    return value


def _batch_normalization(build: GraphBuilder, node: OnnxNode) -> Value:
    """ONNX Runtime: ``x * a + b`` with ``a = 1 / sqrt(variance + epsilon) * scale`` and ``b = bias - mean * a``."""
    if int(node.attributes.get("training_mode", 0)):
        raise Refusal("it is in training mode", "export the model for inference")
    scale, bias, mean, variance = (constant_reals(build.value(node, index)).ravel() for index in range(1, 5))
    epsilon = np.float32(node.attributes.get("epsilon", 1e-5))
    with np.errstate(all="ignore"):
        factor = ((np.float32(1) / np.sqrt(variance + epsilon)) * scale).astype(np.float32)
        constant = (bias - mean * factor).astype(np.float32)
    if not (np.isfinite(factor).all() and np.isfinite(constant).all()):
        raise Refusal("its variance or another of its constants is not usable", "correct the model")
    value = build.value(node, 0)
    rank = value.elements.ndim if isinstance(value, Chained | Reals | Summed | Prepared | Source) else 2
    shape = (1, factor.size, *(1,) * (rank - 2))
    return with_step(build, node, 0, "batch_normalization", np.stack([factor.reshape(shape), constant.reshape(shape)]))


QONNX_ELEMENTWISE: dict[tuple[str, str], Handler] = {
    ("", "Add"): _arithmetic,
    ("", "Sub"): _arithmetic,
    ("", "Mul"): _arithmetic,
    ("", "Div"): _arithmetic,
    ("", "Relu"): _relu,
    ("", "Clip"): _clip,
    ("", "BatchNormalization"): _batch_normalization,
}
"""Handlers by domain and operator."""
