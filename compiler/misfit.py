"""Why a network does not fit a device, in words: what is short, which layer needs it, by how much, and what would fit."""

from __future__ import annotations

from collections.abc import Sequence

from ..sim.cost.resources import block_rams, weight_block_rams
from .budget import Budget
from .engine_sizing import MOST_WORDS, SizedEngine
from .streaming_engine import why_not_streamed

__all__ = ["explain_misfit"]


def _kib(words: int, width: int) -> str:
    return f"{words * width / 8192:.1f} KiB"


def _weights(engine: SizedEngine, budget: Budget) -> list[str]:
    config, plan = engine.config, engine.plan
    words = plan.weight_words(config.parameter_words)
    if words <= MOST_WORDS and engine.resources.single_port_rams <= budget.single_port_rams:
        return []
    largest = max(plan.layers, key=lambda layer: layer.weight_words)
    abreast = -(-32 * config.weight_segments // 16)
    needs = (
        f"the weights need {words} words of {config.weight_width} bits "
        f"({_kib(words, config.weight_width)}; largest: node {largest.node.name!r} with {largest.weight_words} words)"
    )
    if not engine.resources.single_port_rams:
        return [f"{needs}, {words - MOST_WORDS} more than the {MOST_WORDS} that can be addressed"]
    if abreast > budget.single_port_rams:
        return [
            f"{needs}, and a word of {config.weight_width} bits needs {abreast} single-port RAMs, {budget.name} has "
            f"{budget.single_port_rams}"
        ]
    room = min(16384 * (budget.single_port_rams // abreast), MOST_WORDS)
    return [f"{needs}, {words - room} more than the {room} that {budget.name} has room for"]


def _maps(engine: SizedEngine) -> list[str]:
    config, words = engine.config, engine.plan.feature_words
    if words <= MOST_WORDS:
        return []
    layer, most = engine.plan.largest_step
    return [
        f"the maps need {words} words in each of {config.p} banks ({_kib(words * config.p, config.word_width)}; largest: node "
        f"{layer.node.name!r} with {most} words), {words - MOST_WORDS} more than the {MOST_WORDS} that can be addressed"
    ]


def _block_rams(engine: SizedEngine, budget: Budget) -> list[str]:
    config, plan, resources = engine.config, engine.plan, engine.resources
    short = resources.block_rams - budget.block_rams
    if short <= 0:
        return []
    layer, words = plan.largest_step
    features = config.p * block_rams(budget.family, config.word_width, config.feature_depth, 8)
    weight_words = plan.weight_words(config.parameter_words)
    weights = ""
    if not resources.single_port_rams:
        blocks = weight_block_rams(budget.family, config)
        weights = f", {blocks} for weights ({_kib(weight_words, config.weight_width)})"
    capped = weight_words > config.weight_depth or plan.feature_words > config.feature_depth
    return [
        f"the memories need {'at least ' if capped else ''}{resources.block_rams} block RAMs, {short} more than the "
        f"{budget.block_rams} of {budget.name}: {features} for maps (largest at node {layer.node.name!r}: "
        f"{_kib(words * config.p, config.word_width)}){weights}"
    ]


def _logic(engine: SizedEngine, budget: Budget) -> list[str]:
    config, resources = engine.config, engine.resources
    array = f"{config.p},{config.m},{config.n}"
    sentences = []
    if resources.multipliers > budget.multipliers:
        sentences.append(
            f"the array {array} needs {resources.multipliers} multipliers, {budget.name} has {budget.multipliers}"
        )
    if resources.luts > budget.luts:
        sentences.append(
            f"the array {array} needs about {resources.luts} LUTs, {budget.luts} of {budget.name} may be used"
        )
    return sentences


def explain_misfit(engine: SizedEngine, budget: Budget, ways: Sequence[str]) -> str:
    """One sentence for everything that is short; then ``ways``, the options of the command that fit."""
    memory = [*_weights(engine, budget), *_maps(engine), *_block_rams(engine, budget)]
    sentences = [*memory, *_logic(engine, budget)]
    if streamed := why_not_streamed(engine, budget):
        sentences.append(streamed)
    remedy = (
        f"What fits: {' or '.join(ways)}."
        if ways
        else "No board and array that Macaw knows holds it: use a smaller network."
    )
    if memory and budget.unused_memory:
        remedy += f" What this board cannot hold may fit its {budget.unused_memory}: --weights external."
    return f"The network does not fit: {'; '.join(sentences)}. {remedy}"
