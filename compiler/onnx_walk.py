"""The walk over the nodes of an ONNX model, for every flavour of it: one value or one problem for each node."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .onnx_builder import GraphBuilder, Handler, Skipped
from .onnx_model import QONNX, OnnxNode
from .onnx_values import Unknown, Value
from .problem import Problem, Refusal

__all__ = ["walk"]


def walk(
    build: GraphBuilder,
    handler: Handler,
    *,
    shape: Callable[[str], str],
    placeholder: Handler = lambda build, node: Unknown(),
) -> None:
    """Give the first output of every node the value that ``handler`` makes of it; others are unknown.

    A node that is refused becomes a problem, with the ``shape`` of its data in words, and its output a ``placeholder``, as does
    that of a node behind it. Infinities are refused where they matter; what is no number, and attributes and inputs that no
    rule of ONNX's checker covers (other domains, empty tensors, wrong types), end here.
    """
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="raise"):
        for node in build.model.nodes:
            if node.operator == "Constant" and node.domain == "":
                continue
            value = _value(build, node, handler, shape)
            if isinstance(value, Unknown):
                value = placeholder(build, node)
            build.values.update((output, Unknown()) for output in node.outputs if output)
            build.values[node.outputs[0]] = value


def _value(build: GraphBuilder, node: OnnxNode, handler: Handler, shape: Callable[[str], str]) -> Value:
    try:
        return handler(build, node)
    except Skipped:
        return Unknown()
    except Refusal as error:
        refusal = error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        refusal = Refusal(f"its attributes or inputs are malformed ({error})", "correct the model")
    data = next((name for name in node.inputs if name and name not in build.model.constants), node.input(0))
    operator = node.operator if node.domain in ("", QONNX) else f"{node.domain}.{node.operator}"
    shapes = f"{shape(data)} -> {shape(node.outputs[0])}"
    build.problems.append(Problem(node.name, operator, shapes, refusal.rule, refusal.remedy))
    return Unknown()
