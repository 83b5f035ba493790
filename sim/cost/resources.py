"""The resource model: what an engine takes of an FPGA. Block RAMs and multipliers are exact, LUTs are fitted."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from ...hw.config import EngineConfig
from ...hw.control.descriptor import descriptor_layout, tap_layout
from ...hw.control.step_generator import step_layout
from ...hw.memory.weight_buffer import WeightBuffer
from ...hw.primitives.dp16kd import DP16KD_MODES
from ...hw.primitives.multiplier import Multiplier
from ...hw.primitives.sb_ram40 import SB_RAM40_MODES
from ...hw.primitives.target import Family
from ...hw.primitives.tiling import tiling
from ...hw.products import PRODUCTS

__all__ = ["STREAMING_LUTS", "EngineResources", "block_rams", "engine_resources", "host_link_block_rams", "needed_logic_dots", "weight_block_rams"]

_SPRAM_WORDS = 16384
_NUDGE_LUTS = 30
"""Comparison with the pivot, decrement and zero tests of one lane."""

_LOGIC_PRODUCT_LUTS = {Family.GENERIC: 130, Family.ECP5: 84, Family.ICE40: 130, Family.ICE40UP: 130, Family.GOWIN: 190, Family.NEXUS: 155}
"""Look-up tables of a product without a multiplier cell, as they are packed."""
_PRODUCT_LUTS = {
    "int4xint4": 23.0, "ternaryxternary": 3.6, "binaryxbinary": 1.75, "int8xternary": 23.0, "int8xbinary": 12.0,
}  # fmt: skip
"""Look-up tables of a product that needs no multiplier, its part of the adders included: the slots of its compressor tree
on an ECP5 and what packing adds (docs/dot-products.md)."""
_PAIRED_LUTS = {False: (9.5, 12.0, 5.7, 10.0), True: (11.5, 20.0, 6.0, 50.0)}
"""Of a paired dot product and of the term of a pixel: look-up tables for each byte of a word, and besides. First where all
activations are binary, then where they may be bytes, too."""
STREAMING_LUTS = 993 + 228
"""Weight prefetcher and SDRAM controller on an ECP5, as docs/integration.md measures them (bus_figures); they hardly depend on the array."""
_SPILLING_LUTS = 990
"""Map transfer, and the prefetcher's part of it: what WeightPrefetcher has more with ``spilling`` (Yosys, synth_ecp5)."""
_LUT_FACTOR = {Family.GENERIC: 1.0, Family.ECP5: 1.15, Family.ICE40: 1.43, Family.ICE40UP: 1.43, Family.GOWIN: 2.2, Family.NEXUS: 1.4}


@dataclass(frozen=True, kw_only=True)
class EngineResources:
    """Cells of an engine. ``luts`` (logic cells on an iCE40) is an estimate, within about 5 % where it was fitted; the others are exact."""

    luts: int
    block_rams: int
    multipliers: int
    single_port_rams: int


def block_rams(family: Family, width: int, depth: int, granularity: int) -> int:
    """Blocks of a BlockRam. Yosys, which makes those of a Gowin and a Nexus, may do with fewer where words do not fill them."""
    # Their blocks have the ECP5's modes.
    modes = DP16KD_MODES if family in (Family.ECP5, Family.GOWIN, Family.NEXUS) else SB_RAM40_MODES
    return tiling(modes, width, depth, granularity).blocks


def weight_block_rams(family: Family, config: EngineConfig) -> int:
    """Blocks of a WeightBuffer."""
    return sum(block_rams(family, 32 * size, config.weight_depth, 32) for size in WeightBuffer.banks_of(config))


def host_link_block_rams(family: Family) -> int:
    """Blocks of the frame bridge's payload buffer and of its queue of bytes."""
    return block_rams(family, 32, 128, 32) + 1


def _multiplier_cells(config: EngineConfig, family: Family) -> tuple[int, int]:
    """Multiplier cells of an int8 dot product, and of all requantizers."""
    if family not in (Family.ECP5, Family.GOWIN, Family.NEXUS):
        return -(-config.m // 2), 0
    pieces = 0
    if config.requantizer_digit == 0:
        pieces = Multiplier.pieces_of(config.accumulator_width, config.multiplier_width)
    # A Gowin's 18 x 18 multiplier takes the place of two 9 x 9.
    return config.m, config.n * pieces * (2 if family is Family.GOWIN else 1)


def needed_logic_dots(config: EngineConfig, family: Family, multipliers: int) -> int:
    """How many dot products must be made of look-up tables on a device with so many multiplier cells."""
    if "int8xint8" not in config.products:
        return 0
    dot, requantizers = _multiplier_cells(config, family)
    return max(0, config.p * config.n - max(0, multipliers - requantizers) // dot)


def engine_resources(config: EngineConfig, family: Family) -> EngineResources:
    """Cells of an Engine with ``config``.

    LUTs are counted block by block from the widths (an adder bit and a 2:1 multiplexer bit are one LUT4 each), then
    scaled by a factor for the family, fitted to packed designs: 4 x 8 x 4 and 4 x 8 x 8 on an ECP5; 2 x 4 x 2 for two
    networks, 5 x 1 x 2 and 1 x 8 x 1 on an iCE40, where a register without a LUT in front takes a logic cell of its own: those of sums
    and requantization parameters are counted. So it does on a Gowin, fitted to 2 x 4 x 2 alone; a Nexus is not fitted yet.
    """
    p, m, n, width = config.p, config.m, config.n, config.word_width
    dots = p * n

    blocks = p * block_rams(family, width, config.feature_depth, 8)
    tap_width = 32 * -(-tap_layout(config).size // 32)
    if config.taps_in_program:
        blocks += block_rams(family, tap_width, config.shared_depth, 32)
    else:
        blocks += block_rams(family, 32, config.program_depth, 32)
        blocks += block_rams(family, tap_width, config.tap_depth, 32)
    weight_width = 32 * config.weight_segments
    single_port_rams = 0
    if config.weight_memory == "spram" and family is Family.ICE40UP:
        single_port_rams = -(-weight_width // 16) * -(-config.weight_depth // _SPRAM_WORDS)
    else:
        blocks += weight_block_rams(family, config)

    dot, requantizers = _multiplier_cells(config, family)
    multiplying = dots if "int8xint8" in config.products else 0
    multipliers = (multiplying - config.logic_dots) * dot + requantizers
    products = config.logic_dots * m * _LOGIC_PRODUCT_LUTS[family]
    for name in config.products:
        if name != "int8xint8" and name not in config.paired_products:
            products += round(dots * PRODUCTS[name].activations.values(m) * _PRODUCT_LUTS[name])

    if config.paired_products:
        byte, rest, term_byte, term_rest = _PAIRED_LUTS[len(config.paired_products) > 1]
        products += round(dots * (byte * m + rest) + p * (term_byte * m + term_rest))

    tree = sum((16 + level) * (m >> level) for level in range(1, m.bit_length() + 1)) * multiplying
    select = config.sum_width * dots * (len(config.products) - max(1, len(config.paired_products)))
    accumulate = config.accumulator_width * dots
    if config.depth > 1:
        accumulate += config.accumulator_width * dots * (1 + 3 * -(-config.depth // 16))
    scale = min(config.accumulator_width, config.sum_width + 8) * dots if config.adding else 0
    drain = config.accumulator_width * n * (p - 1)
    rotate = width * p * (config.bank_bits + 1)
    pool = (width * p * 2 + width * (p - 1)) if config.pooling else 0
    product = config.accumulator_width + config.multiplier_width
    if config.requantizer_digit:
        requantize = n * (product * (1 + config.requantizer_digit) + 3 * config.offset_width)
    else:
        requantize = n * (product + 3 * config.offset_width)
    requantize += n * _NUDGE_LUTS if config.nudge else 0
    control = descriptor_layout(config).size * (2 if config.prefetch and family is not Family.ECP5 else 1) + 5 * step_layout(config).size + 700
    # Each byte takes its lane from as many places as an output group can begin with.
    write = width * (3 + m // config.lane_pitch - m // gcd(m, *config.output_bytes))
    # Several formats: each byte and each maximum takes its bits from one of them.
    several = len(config.output_formats) - 1
    write += 8 * max(config.output_bytes) * several
    pool += width * p * several if config.pooling else 0
    registers = 0
    if family in (Family.ICE40, Family.ICE40UP):
        # Parameters that wait and those in use; the running sums and the finished ones.
        registers = n * (width * config.parameter_words + config.parameter_width)
        registers += 2 * config.accumulator_width * dots if config.depth == 1 else 0
    streaming = STREAMING_LUTS if config.streaming else 0
    streaming += _SPILLING_LUTS if config.spilling else 0
    luts = tree + select + accumulate + scale + drain + rotate + pool + requantize + control + write
    return EngineResources(
        luts=round(luts * _LUT_FACTOR[family]) + registers + products + streaming,
        block_rams=blocks,
        multipliers=multipliers,
        single_port_rams=single_port_rams,
    )
