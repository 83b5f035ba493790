"""Functional coverage: what a simulated network made the engine do, as bins of named points.

A bin counts when a network that hits it was simulated and found equal; :func:`covered` says which bins a planned network hits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from ..compiler.certified_addition import CertifiedAddition
from ..compiler.certified_requantization import CertifiedRequantization
from ..compiler.graph import COPY, Add, Concat, Convolution, Graph, MaxPool
from ..compiler.layer_plan import LayerPlan
from ..compiler.network_plan import NetworkPlan
from ..hw.config import EngineConfig
from ..hw.formats import FORMATS
from ..hw.products import PRODUCTS
from .cost.cycles import layer_cycles

__all__ = ["POINTS", "CoverPoint", "covered"]

Rule = CertifiedRequantization | CertifiedAddition
Hit = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class CoverPoint:
    """Something that takes one of several values in each layer, each engine or each program.

    Attributes
    ----------
    name : str
    about : str
        One phrase.
    bins : tuple of str
    """

    name: str
    about: str
    bins: tuple[str, ...]


def _crossed(*choices: Iterable[str]) -> tuple[str, ...]:
    return tuple(", ".join(parts) for parts in product(*choices))


_BYTES = tuple(name for name, pair in PRODUCTS.items() if pair.activations.name == "int8")
_ARITHMETIC = (*PRODUCTS, *(f"max pool of {name}" for name in FORMATS), "addition")
_SEQUENCES = tuple(
    # All layers of a network with int8 maps multiply in one pair of formats.
    f"{first} then {second}" for first, second in product(PRODUCTS, PRODUCTS)
    if first == second or not (first in _BYTES and second in _BYTES)
)  # fmt: skip
_WORK = ("product", "max pool", "addition", "copy")
_SIDES = tuple(
    " ".join(side for side, there in zip(("top", "left", "bottom", "right"), chosen, strict=True) if there) or "none"
    for chosen in product((False, True), repeat=4)
)
_COUNTS = ("1", "2", "3", "4 or more")

POINTS = (
    CoverPoint(
        name="layer",
        about="kind of node",
        bins=(
            "convolution", "pointwise", "fully connected", "depthwise", "depthwise, several outputs", "grouped", "max pool",
            "addition", "concatenation", "copy",
        ),
    ),
    CoverPoint(
        name="formats",
        about="product, or pool, and format of the output",
        bins=_crossed(PRODUCTS, FORMATS),
    ),
    CoverPoint(
        name="arithmetic x stride x padding x tail",
        about="product, pool or addition; horizontal stride; any padding; pixels in the last group of a row",
        bins=(
            *_crossed(_ARITHMETIC[:-1], ("stride 1", "strided"), ("plain", "padded"), ("whole rows", "tail")),
            *_crossed(("addition",), ("stride 1",), ("plain",), ("whole rows", "tail")),
        ),
    ),
    CoverPoint(name="formats in sequence", about="products of two layers in a row", bins=_SEQUENCES),
    CoverPoint(
        name="work in sequence",
        about="work of two layers in a row",
        bins=tuple(f"{first} then {second}" for first, second in product(_WORK, _WORK)),
    ),
    CoverPoint(
        name="strides", about="vertical x horizontal", bins=_crossed(("product", "max pool"), ("1", "2", "3"), ("1", "2", "3"))
    ),
    CoverPoint(name="padding", about="padded sides", bins=_crossed(("product", "max pool"), _SIDES)),
    CoverPoint(
        name="kernel", about="height x width", bins=_crossed(("product", "max pool"), ("1", "2", "3", "4"), ("1", "2", "3", "4"))
    ),
    CoverPoint(name="dilation", about="vertical x horizontal", bins=_crossed(("1", "more"), ("1", "more"))),
    CoverPoint(
        name="tails",
        about="pixels in the last group of a row, outputs in the last group, channels in the last input word, groups in the last tile",
        bins=_crossed(
            ("pixels whole", "pixels part", "one pixel"), ("outputs whole", "outputs part"), ("inputs whole", "inputs part"),
            ("one tile", "tiles whole", "tiles part"),
        ),
    ),
    CoverPoint(
        name="stalls",
        about="whether the step generator waits",
        bins=_crossed(("product", "max pool", "addition"), ("no stall", "stalls"), ("pipelined", "serial")),
    ),
    CoverPoint(
        name="program",
        about="how a layer is laid out",
        bins=(
            "several runs", "one run", "several tiles", "one tile", "kernel rows walked", "words walked", "several taps", "one tap",
            "input words shared by several groups", "input words of each group", "output begins inside of a word",
            "output in 1 phases", "output in 2 phases", "output in 3 phases", "output in the place of an input",
            "part of a larger map", "planes with a gap", "several output groups", "one output group",
        ),
    ),
    CoverPoint(
        name="requantization",
        about="rule, clamp, zero point, nudge, padding's byte",
        bins=(
            "float32", "fixed point", "thresholds", "bytes of sums", "clamped", "not clamped", "zero point below 0", "zero point 0",
            "zero point above 0", "nudged", "not nudged", "padded with 0", "padded with another byte", "weights of 16 bits",
        ),
    ),
    CoverPoint(
        name="engine",
        about="parameters of the engine",
        bins=(
            *_crossed(("p", "m", "n", "depth"), _COUNTS), "pipelined requantizer", "serial requantizer, 1 bit",
            "serial requantizer, several bits", "products in 2 cycles", "products in 3 cycles", "block RAM weights", "SPRAM weights",
            "all products in multiplier cells", "some products in look-up tables", "all products in look-up tables", "prefetch",
            "one memory for program and taps", "two memories without prefetch", "with nudge", "without nudge",
            "with bytes of sums", "counted pairs",
        ),
    ),
)  # fmt: skip
"""All points."""


def _count(number: int) -> str:
    return str(number) if number < 4 else "4 or more"


def _kind(node: Convolution, shape: tuple[int, int, int]) -> str:
    outputs, height, width, fan_in = node.weights.shape
    if node.operator == COPY:
        return "copy"
    if node.groups > 1 and fan_in == 1:
        return "depthwise" if outputs == node.groups else "depthwise, several outputs"
    if node.groups > 1:
        return "grouped"
    if (height, width) == shape[:2] and not any(node.padding):
        return "fully connected"
    return "pointwise" if (height, width) == (1, 1) else "convolution"


def _work(plan: LayerPlan) -> str:
    if isinstance(plan.node, MaxPool):
        return "max pool"
    if isinstance(plan.node, Add):
        return "addition"
    return "copy" if plan.node.operator == COPY else "product"


def _geometry(plan: LayerPlan, graph: Graph) -> Iterator[Hit]:
    """Points that a convolution's or pool's geometry hits."""
    node, work = plan.node, _work(plan)
    pixels = plan.output.width - (plan.row_groups - 1) * plan.output.p
    tail = "whole rows" if pixels == plan.output.p else "tail"
    if isinstance(node, Add):
        yield "arithmetic x stride x padding x tail", f"addition, stride 1, plain, {tail}"
        return
    assert isinstance(node, Convolution | MaxPool)
    product_name = node.product if isinstance(node, Convolution) else f"max pool of {plan.input.format}"
    kernel = node.weights.shape[1:3] if isinstance(node, Convolution) else node.kernel
    stride = "stride 1" if node.stride[1] == 1 else "strided"
    padded = "padded" if any(node.padding) else "plain"
    yield "arithmetic x stride x padding x tail", f"{product_name}, {stride}, {padded}, {tail}"
    if work != "copy":
        yield "strides", f"{work}, {node.stride[0]}, {node.stride[1]}"
        sides = zip(("top", "left", "bottom", "right"), node.padding, strict=True)
        yield "padding", f"{work}, {' '.join(side for side, size in sides if size) or 'none'}"
        yield "kernel", f"{work}, {kernel[0]}, {kernel[1]}"
    if isinstance(node, Convolution):
        yield "dilation", ", ".join("1" if step == 1 else "more" for step in node.dilation)
        yield "formats", f"{node.product}, {plan.output.format}"
        if any(node.padding):
            zero = graph.tensors[node.input].zero_point == 0
            yield "requantization", "padded with 0" if zero else "padded with another byte"


def _layer(config: EngineConfig, plan: LayerPlan, network: NetworkPlan, rule: Rule | None) -> Iterator[Hit]:
    """Points of one layer."""
    node, work, graph = plan.node, _work(plan), network.graph
    yield "layer", _kind(node, graph.tensors[node.input].shape) if isinstance(node, Convolution) else work
    yield from _geometry(plan, graph)
    pixels = plan.output.width - (plan.row_groups - 1) * plan.output.p
    groups = plan.output.height * plan.row_groups
    depth = config.depth if plan.multiplies else 1
    row = "whole" if pixels == config.p else "part"
    yield "tails", ", ".join((
        "one pixel" if pixels == 1 < config.p else f"pixels {row}",
        "outputs part" if plan.output.channels % plan.lanes else "outputs whole",
        "inputs part" if plan.input.channels % plan.input.word_channels else "inputs whole",
        "one tile" if groups <= depth else "tiles part" if groups % depth else "tiles whole",
    ))  # fmt: skip
    stalls = sum(layer_cycles(config, plan.loops(*part)).stalls for part in plan.passes)
    requantizer = "serial" if config.requantizer_digit else "pipelined"
    if work != "copy":
        yield "stalls", f"{work}, {'stalls' if stalls else 'no stall'}, {requantizer}"
    target = network.maps[node.output]
    yield "program", "several runs" if len(plan.runs) > 1 else "one run"
    yield "program", "several tiles" if len(plan.tiles) > 1 else "one tile"
    yield "program", "several taps" if len(plan.taps) > 1 else "one tap"
    yield "program", f"output in {target.phases} phases"
    yield "program", "several output groups" if sum(run.groups for run in plan.runs) > 1 else "one output group"
    if plan.multiplies:
        yield "program", "kernel rows walked" if plan.kernel_rows > 1 else "words walked"
        several = any(1 < run.period for run in plan.runs)
        yield "program", "input words shared by several groups" if several else "input words of each group"
    if target.first_byte:
        yield "program", "output begins inside of a word"
    if target.pitch:
        yield "program", "planes with a gap"
    for source in (network.maps[name] for name in node.inputs):
        if target.base < source.base + source.size and source.base < target.base + target.size:
            yield "program", "output in the place of an input"
    if isinstance(rule, CertifiedAddition):
        yield "requantization", "weights of 16 bits"
    if rule is not None:
        full = FORMATS[plan.output.format]
        yield "requantization", "not clamped" if (rule.low, rule.high) == (full.low, full.high) else "clamped"
        yield "requantization", "nudged" if config.nudge and rule.pivot > -128 else "not nudged"
        zero_point = graph.tensors[node.output].zero_point
        yield "requantization", f"zero point {'0' if zero_point == 0 else 'below 0' if zero_point < 0 else 'above 0'}"
    if isinstance(rule, CertifiedRequantization):
        kinds = {
            "FloatRequantization": "float32", "FixedPointRequantization": "fixed point", "BytePlanes": "bytes of sums",
            "ThresholdRequantization": "thresholds",
        }  # fmt: skip
        name = type(rule.reference).__name__
        if isinstance(node, Convolution):
            name = type(node.requantization).__name__
        if name in kinds:
            yield "requantization", kinds[name]


def _engine(config: EngineConfig) -> Iterator[Hit]:
    """Points of the engine."""
    found = [f"{name}, {_count(getattr(config, name))}" for name in ("p", "m", "n", "depth")]
    digit = config.requantizer_digit
    found.append(
        "pipelined requantizer" if digit == 0 else f"serial requantizer, {'1 bit' if digit == 1 else 'several bits'}"
    )
    found.append(f"products in {config.multiplier_latency} cycles")
    found.append("block RAM weights" if config.weight_memory == "block" else "SPRAM weights")
    if "int8xint8" in config.products:
        dots = config.logic_dots
        where = "all products in look-up tables" if dots == config.p * config.n else "some products in look-up tables"
        found.append(where if dots else "all products in multiplier cells")
    if config.prefetch:
        found.append("prefetch")
    else:
        found.append("one memory for program and taps" if config.taps_in_program else "two memories without prefetch")
    found.append("with nudge" if config.nudge else "without nudge")
    found += ["with bytes of sums"] * config.wrapping + ["counted pairs"] * bool(config.paired_products)
    for name in found:
        yield "engine", name


def covered(config: EngineConfig, network: NetworkPlan, certified: Mapping[str, Rule]) -> frozenset[Hit]:
    """The bins, (point, bin), that a run of the network hits."""
    hits: set[Hit] = set(_engine(config))
    for plan in network.layers:
        hits.update(_layer(config, plan, network, certified.get(plan.node.output) if plan.multiplies else None))
    for first, second in zip(network.layers, network.layers[1:], strict=False):
        hits.add(("work in sequence", f"{_work(first)} then {_work(second)}"))
        if isinstance(first.node, Convolution) and isinstance(second.node, Convolution):
            hits.add(("formats in sequence", f"{first.node.product} then {second.node.product}"))
    for node in network.graph.nodes:
        if isinstance(node, Concat):
            hits |= {("layer", "concatenation"), ("program", "part of a larger map")}
    return frozenset(hits)
