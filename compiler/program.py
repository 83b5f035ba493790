"""The program of a network on one engine: descriptors, taps and weight words, and where the host finds the maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from amaranth.utils import ceil_log2
from numpy.typing import NDArray

from ..hw.config import EngineConfig
from ..hw.control.descriptor import descriptor_layout, descriptor_words, encode, tap_layout
from ..hw.external.external_map import ExternalMap
from ..hw.external.weight_stream import BURST_WORDS
from ..hw.formats import FORMATS
from ..hw.memory.map_layout import MapLayout
from ..hw.products import PRODUCTS
from .certified_addition import CertifiedAddition
from .certified_requantization import CertifiedRequantization
from .graph import Convolution, Tensor
from .layer_plan import OutputRun, RowTile, Tap, addition_weights, dense_weights
from .network_plan import NetworkPlan, PlannedPass
from .packed_weights import packed_weights, surplus
from .weight_stream_image import weight_stream
from .weight_streaming import WeightPlan

__all__ = ["Program", "ProgramLayer", "ProgramStep", "assemble"]


@dataclass(frozen=True, kw_only=True)
class ProgramLayer:
    """One node in the program: ``descriptors`` of it in a row, the map it reads and the map it writes."""

    name: str
    operator: str
    input: str
    output: str
    descriptors: tuple[Mapping[str, int], ...]
    products: int


@dataclass(frozen=True, kw_only=True)
class ProgramStep:
    """``descriptors`` descriptors in a row that make rows ``first`` .. ``first + rows - 1`` of ``layer``'s output, in it ``channels``;
    ``place`` is where these lie behind them, or what there is of the map from row ``place_row`` on."""

    layer: ProgramLayer
    descriptors: int
    first: int
    rows: int
    channels: range
    place: MapLayout
    place_row: int

    def part(self, whole: NDArray[np.int8]) -> NDArray[np.int8]:
        """What the step makes of a map."""
        return whole[self.first : self.first + self.rows, :, self.channels.start : self.channels.stop]

    def found(self, held: NDArray[np.int8]) -> NDArray[np.int8]:
        """The same of what lies in ``place``."""
        row = self.first - self.place_row
        return held[row : row + self.rows, :, self.channels.start : self.channels.stop]


@dataclass(frozen=True, kw_only=True)
class Program:
    """Everything that the host loads, as the regions of the core hold it (hw/control/register_map.py).

    ``program``, ``taps``, ``weights``, ``external``: 32-bit words in region order, gaps included; the last is the weight stream,
    empty in an engine without. ``maps``: layout of every tensor by name that lies in the feature buffer as a whole; ``spilled``: of
    those in the external memory. ``steps``: what runs, in order.
    """

    config: EngineConfig
    program: NDArray[np.uint32]
    taps: NDArray[np.uint32]
    weights: NDArray[np.uint32]
    external: NDArray[np.uint32]
    maps: Mapping[str, MapLayout]
    layers: tuple[ProgramLayer, ...]
    input: str
    output: str
    steps: tuple[ProgramStep, ...]
    spilled: Mapping[str, ExternalMap]

    @property
    def weight_words(self) -> int:
        """Words of the weight buffer in use, parameters included."""
        return len(self.weights) >> ceil_log2(self.config.weight_segments)

    def feature_words(self) -> int:
        """Addresses of the feature buffer in use."""
        return max(layout.base + layout.size for layout in (*self.maps.values(), *(step.place for step in self.steps)))


@dataclass
class _TapTable:
    """Taps of all layers; equal lists are kept once."""

    entries: list[Tap]
    found: dict[tuple[Tap, ...], int]

    def place(self, taps: tuple[Tap, ...]) -> int:
        if taps not in self.found:
            self.found[taps] = len(self.entries)
            self.entries.extend(taps)
        return self.found[taps]


def _segments(words: Sequence[int], count: int) -> NDArray[np.uint32]:
    """Words as 32-bit segments, each word padded to a power of two of them."""
    stride = 1 << ceil_log2(count)
    image = np.zeros((len(words), stride), np.uint32)
    for index, word in enumerate(words):
        for segment in range(count):
            image[index, segment] = word >> 32 * segment & 0xFFFFFFFF
    return image.reshape(-1)


def _weight_image(words: Sequence[NDArray[np.uint8]], config: EngineConfig) -> NDArray[np.uint32]:
    """Weight words, each (n, m) bytes, as 32-bit segments."""
    stride = 1 << ceil_log2(config.weight_segments)
    image = np.zeros((len(words), 4 * stride), np.uint8)
    if words:
        image[:, : config.n * config.m] = np.stack(words).reshape(len(words), -1)
    return image.view("<u4").astype(np.uint32).reshape(-1)


def _parameter_words(
    certified: CertifiedRequantization | CertifiedAddition, channels: Sequence[int], surpluses: NDArray[np.int64],
    config: EngineConfig,
) -> list[NDArray[np.uint8]]:  # fmt: skip
    """The rows in front of an output group: multiplier, offset, shift code of each lane, least significant row first.

    ``surpluses``: by how much the engine's sums of each channel exceed those that are certified.
    """
    size = config.parameter_words * config.m
    rows = np.zeros((config.n, size), np.uint8)
    for lane, channel in enumerate(channels):
        bits = int(certified.multiplier[channel])
        offset = int(certified.offset[channel]) - bits * int(surpluses[lane])
        if not -1 <= offset >> config.offset_width - 1 <= 0:
            raise ValueError(f"channel {channel} of {certified.layer} has an offset of more than {config.offset_width} bits")
        bits |= (offset & ((1 << config.offset_width) - 1)) << config.multiplier_width
        bits |= int(certified.shift_code[channel]) << config.multiplier_width + config.offset_width
        rows[lane] = np.frombuffer(bits.to_bytes(size, "little"), np.uint8)
    return [rows[:, k * config.m : (k + 1) * config.m] for k in range(config.parameter_words)]


def pad_byte(tensor: Tensor, *, pooling: bool) -> int:
    """The byte that stands for padding: the zero point at each place, or the lowest code for max pooling."""
    stored = FORMATS[tensor.format]
    if pooling:
        code = 0 if stored.width == 1 else 1 << stored.width - 1
    elif tensor.zero_point in stored.members:
        code = stored.encode(tensor.zero_point)
    else:
        code = 0  # of a layer without padding
    return sum(code << shift for shift in range(0, 8, stored.width))


def _fields(
    config: EngineConfig, network: NetworkPlan, step: PlannedPass, rule: CertifiedRequantization | CertifiedAddition | None
) -> dict[str, int]:
    """A descriptor's fields but for ``tap_first``, ``weight_first`` and ``transfers``."""
    plan, tile, run = network.layers[step.layer], step.tile, step.run
    node = plan.node
    source, target = network.place(step.layer, node.input), network.place(step.layer, node.output)
    product = PRODUCTS[node.product if isinstance(node, Convolution) else "int8xint8"]
    masked = rule is not None and product.masking
    feature_modulus = 1 << config.feature_bits
    end_channel = min((run.first_group + run.groups) * plan.lanes, target.channels)
    first_byte = run.first_group * plan.lanes * target.bits // 8
    end_byte = -(-end_channel * target.bits // 8)
    output_word, output_byte = divmod(target.first_byte + first_byte, config.m)
    group_bytes = config.n * target.bits // 8
    if output_byte % config.lane_pitch:
        raise ValueError(f"layer {node.name} begins at byte {output_byte}; the engine cannot write there: {config}")
    last_byte = config.m - 1 if config.masking else 0
    if masked and run.first_word + run.words == source.words:
        last_byte = (source.channel_bytes - 1) % config.m
    loops = {name: value for name, value in plan.loops(tile, run).items() if name != "output_bits"}
    return loops | {
        "input_first": source.base + (tile.input_row - tile.source_row) * source.line_words + run.first_word * source.plane_words,
        "input_rows": max(plan.input.height - tile.input_row, 0),
        "word_step": (source.plane_words if plan.kernel_rows == 1 else plan.word_step) % feature_modulus,
        "row_step": plan.stride[0] * source.line_words % feature_modulus,
        "row_stride": plan.stride[0],
        "period_last": run.period - 1,
        "period_step": run.period_words * source.plane_words % feature_modulus,
        "pad": pad_byte(network.graph.tensors[node.input], pooling=rule is None),
        "low": rule.low if rule else -128,
        "high": rule.high if rule else 127,
        "pivot": (rule.pivot if rule else -128) if config.nudge else 0,
        "output_first": target.base + (tile.first - tile.target_row) * target.line_words + output_word * target.plane_words,
        "output_offset": output_byte,
        "output_row_step": target.line_words,
        "output_word_step": target.plane_words % feature_modulus,
        "output_group_step": (group_bytes // config.m if rule else 1) * target.plane_words % feature_modulus,
        "output_phase_step": target.phase_words,
        "output_phases_last": target.phases - 1,
        "last_lane": (end_byte - 1) % group_bytes if rule else 0,
        "product": config.products.index(product.name) if rule else 0,
        "output_format": config.output_formats.index(target.format),
        "byte_last": last_byte,
        "wrap": int(isinstance(rule, CertifiedRequantization) and rule.wraps),
    }


def assemble(
    config: EngineConfig,
    network: NetworkPlan,
    certified: Mapping[str, CertifiedRequantization | CertifiedAddition],
    weights: WeightPlan | None = None,
) -> Program:
    """Encodes a planned network. ``certified``: the requantization of each layer, by output tensor. ``weights``: which are
    streamed, in an engine that does; its network must be ``network``.

    The engine's depths are not checked here: EngineConfig of the result is ``config`` as given.
    """
    taps = _TapTable([], {})
    weight_words: list[NDArray[np.uint8]] = []
    parts: dict[tuple[int, OutputRun], range] = {}
    weight_first: dict[tuple[int, OutputRun], int] = {}
    for index, plan in enumerate(network.layers):
        node = plan.node
        source, target = network.place(index, node.input), network.place(index, node.output)
        rule = certified[node.output] if plan.multiplies else None
        if isinstance(node, Convolution):
            dense = dense_weights(node, source.channels)
        elif isinstance(rule, CertifiedAddition):
            dense = addition_weights(rule.digits, source.channels)
        product = PRODUCTS[node.product if isinstance(node, Convolution) else "int8xint8"]
        if rule is not None:
            if product.name not in config.products:
                raise ValueError(f"layer {node.name} needs the product {product.name}; the engine has {config.products}")
            padded = packed_weights(dense, product, source)
            if plan.kernel_rows > 1:
                # The rows take the place of words: columns outside, rows inside.
                padded = padded.swapaxes(1, 2)
        for run in plan.runs:
            weight_first[index, run] = len(weight_words) if rule else 0
            first_channel = run.first_group * plan.lanes
            end_channel = min(first_channel + run.groups * plan.lanes, target.channels)
            if rule is not None:
                for group in range(run.groups):
                    start = first_channel + group * config.n
                    channels = range(start, min(start + config.n, end_channel))
                    first_word = run.first_word + group // run.period * run.period_words
                    rows = np.zeros((config.n, plan.kernel_positions, run.words, config.m), np.uint8)
                    part = padded[channels.start : channels.stop].reshape(len(channels), plan.kernel_positions, -1, config.m)
                    rows[: len(channels)] = part[:, :, first_word : first_word + run.words]
                    surpluses = np.zeros(config.n, np.int64)
                    if product.name in config.paired_products:
                        surpluses = surplus(rows, product).sum((1, 2))
                    weight_words.extend(_parameter_words(rule, channels, surpluses, config))
                    ordered = rows.transpose(1, 2, 0, 3).reshape(-1, config.n, config.m)
                    weight_words.extend(ordered)
                parts[index, run] = range(weight_first[index, run], len(weight_words))
        if target.format not in config.output_formats:
            raise ValueError(f"layer {node.name} writes a {target.format} map; the engine writes {config.output_formats}")
    words: list[int] = []
    descriptors: list[list[Mapping[str, int]]] = [[] for _ in network.layers]
    for number, step in enumerate(network.passes()):
        rule = certified[network.layers[step.layer].node.output] if network.layers[step.layer].multiplies else None
        values = _fields(config, network, step, rule) | {
            "tap_first": taps.place(step.tile.taps), "weight_first": weight_first.get((step.layer, step.run), 0),
        }  # fmt: skip
        if weights is not None:
            values |= {"weight_first": weights.passes[number].first, "transfers": weights.passes[number].transfers}
        descriptors[step.layer].append(values)
        bits = encode(descriptor_layout(config), values)
        words.extend(bits >> 32 * k & 0xFFFFFFFF for k in range(descriptor_words(config)))
    layers = [
        ProgramLayer(
            name=plan.node.name,
            operator=plan.node.operator,
            input=plan.node.input,
            output=plan.node.output,
            descriptors=tuple(found),
            products=plan.products,
        )
        for plan, found in zip(network.layers, descriptors, strict=True)
    ]
    header = [config.identity & 0xFFFFFFFF, config.identity >> 32]
    external = np.zeros(0, np.uint32)
    if weights is not None:
        contents = {
            key: np.array([weight_words[word] for word in words_of], np.uint8).reshape(-1, config.n * config.m)
            for key, words_of in parts.items()
        }
        external = weight_stream(config, weights, contents)
        header += [int(external[0]), len(external) // BURST_WORDS]
        weight_words = [word.reshape(config.n, config.m) for key in weights.pinned for word in contents[key]]
    end = [0] * descriptor_words(config)
    layout = tap_layout(config)
    entries = [encode(layout, _tap_values(tap, config)) for tap in taps.entries]
    return Program(
        config=config,
        program=np.array(header + words + end, np.uint32),
        taps=_segments(entries, -(-layout.size // 32)),
        weights=_weight_image(weight_words, config),
        external=external,
        maps=network.maps,
        layers=tuple(layers),
        input=network.graph.input,
        output=network.graph.output,
        steps=tuple(_steps(network, layers)),
        spilled={} if weights is None else weights.spilled(config),
    )


def _steps(network: NetworkPlan, layers: Sequence[ProgramLayer]) -> Iterator[ProgramStep]:
    """Passes in a row of one layer and the same rows, or of tiles of a layer that all its readers see at once."""
    whole = not network.segments

    def key(step: PlannedPass) -> tuple[int, RowTile | None]:
        return step.layer, None if whole else step.tile

    for (index, tile), passes in groupby(network.passes(), key):
        target = network.place(index, layers[index].output)
        runs = [step.run for step in passes]
        channels = [network.layers[index].output_channels(run) for run in runs]
        yield ProgramStep(
            layer=layers[index],
            descriptors=len(runs),
            channels=range(min(item.start for item in channels), max(item.stop for item in channels)),
            first=tile.first if tile else 0,
            rows=tile.rows if tile else target.height,
            place=target,
            place_row=tile.target_row if tile else 0,
        )


def _tap_values(tap: Tap, config: EngineConfig) -> dict[str, Any]:
    return {
        "address": tap.address % (1 << config.feature_bits),
        "bank": tap.bank,
        "row": tap.row,
        "column": tap.column,
        "columns": tap.columns,
    } | ({"scale": int(tap.scale)} if config.adding else {})
