"""Reduction of a failing trial to a small one: what may become smaller, and the search that keeps what still fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..compiler.graph import Add, Concat, Convolution, MaxPool, Node
from ..compiler.number_formats import engine_formats
from ..compiler.requantization import FixedPointRequantization, FloatRequantization, ThresholdRequantization
from ..hw.errors import UserError
from ..hw.formats import FORMATS
from .network_recipe import Recipe, grow, recipe_of
from .trial import Trial

__all__ = ["Reduction", "engine_steps", "network_steps", "plan_steps", "reduce_trial"]

_Step = tuple[str, Trial]


def _less(value: int, least: int) -> Iterator[int]:
    """Smaller numbers to try, the boldest first."""
    yield from dict.fromkeys(smaller for smaller in (least, (value + least) // 2, value - 1) if least <= smaller < value)


def _leading(recipe: Recipe, output: str, first: int = 0) -> set[int]:
    """Numbers of the nodes that lead to ``output``, from node ``first`` on."""
    wanted, kept = {output}, set()
    for number in reversed(range(first, len(recipe.nodes))):
        if recipe.nodes[number].output in wanted:
            wanted |= set(recipe.nodes[number].inputs)
            kept.add(number)
    return kept


def _selected(
    recipe: Recipe, kept: set[int], output: str, instead: Mapping[str, str], begin: str = "map0"
) -> Recipe | None:
    """The recipe with the nodes ``kept`` only, which begins at the map ``begin``; ``instead``: maps that stand for others.
    None if a node would read a map that is gone."""
    names = {begin: "map0"}
    nodes: list[Node] = []
    formats: list[str] = []
    for number, node in enumerate(recipe.nodes):
        if number in kept:
            if any(name not in names for name in node.inputs):
                return None
            inputs = [names[name] for name in node.inputs]
            changes: dict[str, Any] = {"input": inputs[0], "output": f"map{len(nodes) + 1}"}
            if isinstance(node, Add):
                changes["second"] = inputs[1]
            elif isinstance(node, Concat):
                changes["others"] = tuple(inputs[1:])
            names[node.output] = changes["output"]
            nodes.append(replace(node, **changes))
            formats.append(recipe.formats[number])
        elif instead.get(node.output) in names:
            names[node.output] = names[instead[node.output]]
    if output not in names:
        return None
    return replace(recipe, nodes=tuple(nodes), formats=tuple(formats), output=names[output])


def _shorter(recipe: Recipe) -> Iterator[tuple[str, Recipe | None]]:
    """Fewer nodes."""
    every, output = set(range(len(recipe.nodes))), recipe.output
    used = _leading(recipe, output)
    if used < every:
        yield "without what leads nowhere", _selected(recipe, used, output, {})
    for node in recipe.nodes:
        if node.output != output:
            yield f"ends with {node.output}", _selected(recipe, _leading(recipe, node.output), node.output, {})
    tensors = grow(recipe).tensors
    for number in reversed(range(len(recipe.nodes))):
        begin = recipe.nodes[number].output
        if begin != output:
            tensor = tensors[begin]
            kept = _leading(recipe, output, number + 1)
            for held in dict.fromkeys((tensor.format, "int8")):
                rest = replace(recipe, shape=tensor.shape, zero_point=tensor.zero_point, format=held)
                yield f"begins with {begin} of {held}", _selected(rest, kept, output, {}, begin)
    for number, node in enumerate(recipe.nodes):
        for source in dict.fromkeys(node.inputs):
            if len(every) > 1:
                yield f"{source} for {node.output}", _selected(recipe, every - {number}, output, {node.output: source})
        if isinstance(node, Concat) and len(node.inputs) > 1:
            for part in range(len(node.inputs)):
                parts = node.inputs[:part] + node.inputs[part + 1 :]
                yield f"{node.output} without part {part}", _with(recipe, number, replace(node, input=parts[0], others=parts[1:]))


def _with(recipe: Recipe, number: int, node: Node) -> Recipe:
    """The recipe with another node."""
    return replace(recipe, nodes=(*recipe.nodes[:number], node, *recipe.nodes[number + 1 :]))


def _simpler_convolution(node: Convolution) -> Iterator[tuple[str, Convolution]]:
    outputs, ky, kx, fan_in = node.weights.shape
    if node.groups == 1 or fan_in > 1:
        for count in _less(outputs, node.groups):
            yield f"{count} outputs", _fewer_outputs(node, count)
    elif outputs > node.groups:
        yield "one output for each input", _fewer_outputs(node, node.groups)
    if node.groups > 1:
        yield "one group", replace(node, groups=1, weights=np.repeat(node.weights, node.groups, axis=3))
    for height in _less(ky, 1):
        yield f"kernel {height}x{kx}", replace(node, weights=node.weights[:, :height])
    for width in _less(kx, 1):
        yield f"kernel {ky}x{width}", replace(node, weights=node.weights[:, :, :width])
    if node.dilation != (1, 1):
        yield "no dilation", replace(node, dilation=(1, 1))
    rule = node.requantization
    if isinstance(rule, FloatRequantization | FixedPointRequantization) and (rule.low, rule.high) != (-128, 127):
        yield "no clamp", replace(node, requantization=replace(rule, low=-128, high=127))
    if node.bias.any():
        yield "no bias", replace(node, bias=np.zeros_like(node.bias))
    if (node.weights != 1).any():
        yield "weights of 1", replace(node, weights=np.ones_like(node.weights))


def _simpler(node: Node) -> Iterator[tuple[str, Node]]:
    """Less of everything in one node."""
    if isinstance(node, Convolution):
        yield from _simpler_convolution(node)
    if isinstance(node, MaxPool):
        for height in _less(node.kernel[0], 1):
            yield f"kernel {height}x{node.kernel[1]}", replace(node, kernel=(height, node.kernel[1]))
        for width in _less(node.kernel[1], 1):
            yield f"kernel {node.kernel[0]}x{width}", replace(node, kernel=(node.kernel[0], width))
    if isinstance(node, Convolution | MaxPool):
        for axis, name in enumerate(("vertical", "horizontal")):
            for stride in _less(node.stride[axis], 1):
                strides = (stride, node.stride[1]) if axis == 0 else (node.stride[0], stride)
                yield f"{name} stride {stride}", replace(node, stride=strides)
        for side, name in enumerate(("top", "left", "bottom", "right")):
            if node.padding[side]:
                top, left, bottom, right = (0 if side == other else size for other, size in enumerate(node.padding))
                yield f"no padding {name}", replace(node, padding=(top, left, bottom, right))


def _fewer_outputs(node: Convolution, count: int) -> Convolution:
    """The layer's first ``count`` outputs."""
    rule = node.requantization
    arrays: dict[str, Any] = {key: value[:count] for key, value in vars(rule).items() if isinstance(value, np.ndarray)}
    return replace(
        node, weights=node.weights[:count], bias=node.bias[:count], requantization=replace(rule, **arrays)
    )


def _narrower(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    """Fewer channels in all maps of so many at once, which maps that are added must have; a map added to itself."""
    full = [node for node in recipe.nodes if isinstance(node, Convolution) and node.groups == 1]
    widths = {len(node.weights) for node in full} | {recipe.shape[2]}
    for width in sorted(widths, reverse=True):
        for count in _less(width, 1):
            nodes = tuple(
                _fewer_outputs(node, count)
                if isinstance(node, Convolution) and node.groups == 1 and len(node.weights) == width
                else node
                for node in recipe.nodes
            )
            channels = count if recipe.shape[2] == width else recipe.shape[2]
            yield f"{count} channels for {width}", replace(recipe, nodes=nodes, shape=(*recipe.shape[:2], channels))
    for number, node in enumerate(recipe.nodes):
        if isinstance(node, Add) and node.second != node.input:
            yield f"{node.output}: {node.input} twice", _with(recipe, number, replace(node, second=node.input))


def _plainer(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    """Bytes in the place of few bits."""
    if recipe.format != "int8":
        yield "input of bytes", replace(recipe, format="int8")
    for number, (node, name) in enumerate(zip(recipe.nodes, recipe.formats, strict=True)):
        if name != "int8" and isinstance(node, Convolution | Add):
            formats = (*recipe.formats[:number], "int8", *recipe.formats[number + 1 :])
            plain = node
            if name == "binary" and isinstance(node, Convolution):
                rule = node.requantization
                assert isinstance(rule, ThresholdRequantization)
                plain = replace(node, requantization=rule.as_values)
            yield f"{node.output} of bytes", replace(_with(recipe, number, plain), formats=formats)
        if isinstance(node, Convolution) and node.weight_format != "int8":
            yield f"{node.output}: weights of bytes", _with(recipe, number, replace(node, weight_format="int8"))


def _smaller(recipe: Recipe) -> Iterator[tuple[str, Recipe | None]]:
    """Fewer nodes, smaller maps, less in each node: in this order."""
    yield from _shorter(recipe)
    for axis, name in enumerate(("high", "wide", "channels")):
        for extent in _less(recipe.shape[axis], 1):
            height, width, channels = (extent if axis == other else size for other, size in enumerate(recipe.shape))
            yield f"input {extent} {name}", replace(recipe, shape=(height, width, channels))
    yield from _narrower(recipe)
    for number, node in enumerate(recipe.nodes):
        for description, simpler in _simpler(node):
            yield f"{node.output}: {description}", _with(recipe, number, simpler)
    yield from _plainer(recipe)
    if recipe.zero_point:
        yield "input with zero point 0", replace(recipe, zero_point=0)


def _run(trial: Trial, recipe: Recipe) -> Trial:
    """The trial with another network; its input is cut, or drawn anew where the network begins elsewhere."""
    graph = grow(recipe)
    height, width, channels = graph.tensors["map0"].shape
    values = trial.values[:, :height, :width, :channels]
    members = np.array(FORMATS[graph.tensors["map0"].format].members, np.int8)
    if values.shape != (1, height, width, channels) or not np.isin(values, members).all():
        values = np.random.default_rng(0).choice(members, (1, height, width, channels)).astype(np.int8)
    return replace(trial, graph=graph, values=values)


def network_steps(trial: Trial) -> Iterator[_Step]:
    """Trials with a smaller network or a simpler input, of the same engine."""
    before = recipe_of(trial.graph).to_dict()
    for description, recipe in _smaller(recipe_of(trial.graph)):
        if recipe is None:
            continue
        try:
            smaller = _run(trial, recipe)
        except ValueError:  # there is no such network
            continue
        if recipe_of(smaller.graph).to_dict() != before:
            yield description, smaller
    plain = trial.graph.tensors["map0"].zero_point
    if plain in FORMATS[trial.graph.tensors["map0"].format].members and (trial.values != plain).any():
        yield "input of zero points", replace(trial, values=np.full_like(trial.values, plain))


def plan_steps(trial: Trial) -> Iterator[_Step]:
    """Trials with a plainer plan."""
    if trial.turned:
        yield "not turned", replace(trial, turned=False)
    if trial.folding:
        yield "not folded", replace(trial, folding=None)
    if trial.tile_rows:
        yield "no tiles", replace(trial, tile_rows=0)
    if trial.in_place:
        yield "not in place", replace(trial, in_place=False)


def _fewer_dots(trial: Trial, **changes: int) -> dict[str, int]:
    p, n = changes.get("p", trial.config.p), changes.get("n", trial.config.n)
    return changes | {"logic_dots": min(trial.config.logic_dots, p * n)}


def engine_steps(trial: Trial) -> Iterator[_Step]:
    """Trials on a smaller or plainer engine, the smallest first; each needs a simulation of its own."""
    config = trial.config
    kinds = {type(node) for node in trial.graph.nodes}
    formats = engine_formats(trial.plain) | engine_formats(trial.rewritten)
    step = formats.lane_step
    needed: dict[str, Any] = {"products": formats.products, "output_formats": formats.output_formats, "wrapping": formats.wrapping}
    parts: dict[str, Any] = {"adding": Add in kinds, "part_pitch": int(Concat in kinds), "pooling": MaxPool in kinds}
    plain: dict[str, Any] = {
        "depth": 1, "logic_dots": 0, "requantizer_digit": 0, "multiplier_latency": 2, "weight_memory": "block",
        "prefetch": False, "taps_in_program": False,
    }  # fmt: skip
    choices: list[tuple[str, dict[str, Any]]] = [
        ("the smallest engine", needed | parts | plain | {"p": 1, "m": 1, "n": step}),
        ("an engine of 1 x 1", plain | {"p": 1, "m": 1, "n": step}),
        ("a plain engine", needed | parts | plain),
    ]
    choices += [(f"p = {p}", _fewer_dots(trial, p=p)) for p in _less(config.p, 1)]
    choices += [(f"m = {m}", {"m": m}) for m in _less(config.m, 1)]
    choices += [(f"n = {step * n}", _fewer_dots(trial, n=step * n)) for n in _less(config.n // step, 1)]
    choices += [("the formats needed", needed | ({} if "int8xint8" in formats.products else {"logic_dots": 0}))]
    choices += [(f"{name} = {value}", {name: value}) for name, value in (parts | plain).items()]
    for description, changes in choices:
        try:
            smaller = replace(config, **changes)
        except UserError:  # there is no such engine
            continue
        if smaller != config:
            yield description, replace(trial, config=smaller)


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """What was found: the smallest trial that fails in the same way, the steps to it, how many trials were run; ``complete``:
    no single step leads further."""

    trial: Trial
    steps: tuple[str, ...]
    attempts: int
    complete: bool


def reduce_trial(
    trial: Trial,
    fails: Callable[[Trial], bool],
    *,
    attempts: int = 1000,
    seconds: float = 900.0,
    accepted: Callable[[str, Trial], None] = lambda description, trial: None,
) -> Reduction:
    """The smallest trial that a greedy search finds. The same trial gives the same result, unless the time is up.

    Parameters
    ----------
    fails : callable
        Whether a trial fails in the way that is looked for; the first does.
    attempts, seconds
        The search ends after so many trials, or after the trial that ends after so much time.
    accepted : callable
        Hears each step that was taken.
    """
    until = time.monotonic() + seconds
    steps: list[str] = []
    tried = 0
    progress = True
    while progress:
        progress = False
        for kind in (network_steps, plan_steps, engine_steps):
            position = 0
            found = True
            while found:
                found = False
                for index, (description, step) in enumerate(kind(trial)):
                    smaller = _runnable(step) if index >= position else None
                    if smaller is None:
                        continue
                    if tried >= attempts or time.monotonic() > until:
                        return Reduction(trial=trial, steps=tuple(steps), attempts=tried, complete=False)
                    tried += 1
                    if fails(smaller):
                        trial, position, found, progress = smaller, index, True, True
                        steps.append(description)
                        accepted(description, trial)
                        break
    return Reduction(trial=trial, steps=tuple(steps), attempts=tried, complete=True)


def _runnable(trial: Trial) -> Trial | None:
    """The trial, if need be on an engine that knows the formats of its network; None if there is none."""
    try:
        if trial.legal:
            return trial
        formats = engine_formats(trial.plain) | engine_formats(trial.rewritten)
        dots = trial.config.logic_dots if "int8xint8" in formats.products else 0
        config = replace(trial.config, **vars(formats), logic_dots=dots)
        fitting = replace(trial, config=config)
        return fitting if fitting.legal else None
    except (UserError, ValueError):  # it cannot be folded like that, or there is no such engine
        return None
