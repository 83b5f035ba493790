"""Number formats: in which one each map is stored, and in which pair of formats each layer multiplies.

Importers say for each map and each layer's weights the narrowest set that holds their values. A map is stored in one
format for all of its readers, a reader multiplies in a pair of formats that the engine knows (hw/products.py): weights
of a narrow set may run as a wider one, and so may activations. So a map is stored in the widest of what its values, its
padding and its readers' weights need; engines get the products of all layers and no others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..hw.formats import FORMATS
from ..hw.products import PRODUCTS
from .concatenation import may_need_copies
from .graph import Add, Concat, Convolution, Graph, MaxPool, Node, Tensor
from .number_sets import format_range
from .problem import ModelError, Problem
from .rephasing import reading_strides
from .requantization import ThresholdRequantization

__all__ = ["EngineFormats", "choose_formats", "engine_formats"]

_ORDER = ("binary", "ternary", "int4", "int8")
"""Each format holds all values of those in front of it."""


def _widest(*names: str) -> str:
    return max(names, key=_ORDER.index)


def _weights(node: Convolution) -> str:
    """The set that the layer's weights are in on the engine: channels of other groups have a weight of 0."""
    return _widest(node.weight_format, "ternary") if node.groups > 1 else node.weight_format


def _read(node: Node, tensor: Tensor) -> str:
    """The narrowest format in which a reader of the map can do with it."""
    if isinstance(node, MaxPool):
        return tensor.format
    if not isinstance(node, Convolution):
        return "int8"
    needed = _widest(tensor.format, _weights(node))
    if any(node.padding):
        # A padded position holds the zero point. What is left of a binary map's last byte is a code 0, padded or not.
        holding = next(name for name in _ORDER if tensor.zero_point in FORMATS[name].members)
        needed = _widest(needed, holding)
        if needed == "binary" and tensor.zero_point == 1 and tensor.shape[2] % 8:
            needed = "ternary"
    return needed


def _stored(graph: Graph) -> dict[str, str]:
    """The format of every map."""
    formats = {name: tensor.format for name, tensor in graph.tensors.items()}
    strides = reading_strides(graph)
    for node in graph.nodes:
        for name in node.inputs:
            # Copies and concatenations are of bytes.
            several = len(strides[name]) > 1
            formats[name] = _widest(formats[name], "int8" if several else _read(node, graph.tensors[name]))
        if isinstance(node, Add | Concat):
            formats[node.output] = "int8"
    changed = True
    while changed:  # a max pool's maps are of one format
        changed = False
        for node in graph.nodes:
            if isinstance(node, MaxPool) and formats[node.input] != formats[node.output]:
                formats[node.input] = formats[node.output] = _widest(formats[node.input], formats[node.output])
                changed = True
    return formats


def _check(graph: Graph) -> None:
    """Raises ModelError for weights that are not in the set they claim."""
    problems = []
    for node in graph.nodes:
        if isinstance(node, Convolution) and node.weight_format != "int8":
            members = FORMATS[node.weight_format].members
            strange = sorted(set(node.weights.reshape(-1).tolist()) - set(members))
            if strange:
                problems.append(
                    Problem(
                        node.name,
                        node.operator,
                        f"weights {'x'.join(map(str, node.weights.shape))}",
                        f"its weights are said to be {node.weight_format}, and {strange[0]} is no {node.weight_format} value",
                        "quantize the weights again, or to a format that holds them",
                    )
                )
    if problems:
        raise ModelError(problems)


def choose_formats(graph: Graph) -> Graph:
    """``graph`` with the format in which each map is stored and the product of each layer.

    Maps that are parts of concatenations, added, or read with several strides are int8. Layers with int8 maps and binary
    or ternary weights run without multipliers if no layer of the network needs those. Raises ModelError for weights
    that are not in the set they claim.
    """
    _check(graph)
    formats = _stored(graph)
    layers = [node for node in graph.nodes if isinstance(node, Convolution)]
    signs = {_weights(node) for node in layers if formats[node.input] == "int8"}
    multiplying = bool(signs - {"binary", "ternary"}) or may_need_copies(graph)
    multiplying |= any(isinstance(node, Add) for node in graph.nodes)
    words = "int8" if multiplying else "ternary" if "ternary" in signs else "binary"

    def chosen(node: Node) -> Node:
        if not isinstance(node, Convolution):
            return node
        stored = formats[node.input]
        rule = node.requantization
        if graph.tensors[node.output].format == "binary" != formats[node.output]:
            if not isinstance(rule, ThresholdRequantization):
                raise TypeError(f"the binary output of {node.name} is made by a {type(rule).__name__}")
            rule = rule.as_values
        product = f"{stored}x{words if stored == 'int8' else stored}"
        return replace(node, product=product, requantization=rule)

    return replace(
        graph,
        tensors={name: replace(tensor, format=formats[name]) for name, tensor in graph.tensors.items()},
        nodes=[chosen(node) for node in graph.nodes],
        input_range=graph.input_range or format_range(graph.tensors[graph.input].format),
    )


@dataclass(frozen=True, kw_only=True)
class EngineFormats:
    """Parameters of EngineConfig that say which formats an engine knows."""

    products: tuple[str, ...] = ("int8xint8",)
    output_formats: tuple[str, ...] = ("int8",)
    wrapping: bool = False

    def __or__(self, other: EngineFormats) -> EngineFormats:
        """What an engine must know for two networks."""
        return EngineFormats(
            products=tuple(name for name in PRODUCTS if name in self.products + other.products),
            output_formats=tuple(name for name in FORMATS if name in self.output_formats + other.output_formats),
            wrapping=self.wrapping or other.wrapping,
        )

    @property
    def lane_step(self) -> int:
        """The output lanes of an engine must be a multiple of this: its maps' values fill whole bytes."""
        return 8 // min(FORMATS[name].width for name in self.output_formats)


def engine_formats(graph: Graph) -> EngineFormats:
    """What an engine must know for a graph with chosen formats."""
    layers = [node for node in graph.nodes if isinstance(node, Convolution)]
    products = {node.product for node in layers}
    outputs = {graph.tensors[node.output].format for node in graph.nodes}
    if may_need_copies(graph) or any(isinstance(node, Add) for node in graph.nodes) or not products:
        products.add("int8xint8")
        outputs.add("int8")
    return EngineFormats(
        products=tuple(name for name in PRODUCTS if name in products),
        output_formats=tuple(name for name in FORMATS if name in outputs),
        wrapping=any(node.requantization.wraps for node in layers),
    )
