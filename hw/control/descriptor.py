"""The layer descriptor: what one layer does, as the program memory holds it. One source for RTL and compiler."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from ..config import EngineConfig

if TYPE_CHECKING:  # Amaranth's enumerations as a type checker understands them
    import enum
else:
    from amaranth.lib import enum

__all__ = [
    "STRIDE_WIDTH",
    "Operation",
    "decode",
    "descriptor_layout",
    "descriptor_limits",
    "descriptor_words",
    "encode",
    "tap_layout",
]

STRIDE_WIDTH = 4
"""Bits of a stride."""


class Operation(enum.Enum, shape=2):
    """What a descriptor makes the engine do."""

    #: end of the program
    END = 0
    #: multiply-accumulate, requantize: convolution, fully connected, average pooling, depthwise convolution
    CONVOLUTION = 1
    #: maximum over a window
    MAX_POOL = 2


@functools.lru_cache(maxsize=256)
def descriptor_layout(config: EngineConfig) -> data.StructLayout:
    """Fields of a descriptor, least significant first. Fields named ``*_last`` hold a count minus one.

    ====================  ==========================================================================================
    operation             :class:`Operation`
    groups_last           output groups: of n channels (convolution), of one word (max pool)
    words_last            input words that one output group reads at each tap
    taps_last             taps (kernel positions)
    tap_first             address of the first tap in the tap memory
    weight_first          weight-buffer address of the first output group's parameters
    rows_last             output rows
    row_groups_last       pixel groups in an output row
    tail_last             pixels in the last group of a row
    input_first           feature-buffer address of the input map (of the first word that the first output group reads)
    input_rows            rows of the input map; others are padding
    word_step             addresses between two words of an input pixel
    row_step              addresses between the input rows of two output rows
    row_stride            input rows between two output rows
    period_last           output groups that read the same input words
    period_step           addresses to the next input words after that many groups
    pad                   byte that stands for padding
    low, high             clamp of the outputs
    pivot                 largest output that the nudge may lower; -128: none. 0 bits in an engine without nudge
    output_first          feature-buffer address of the output map (of the word that receives channel 0)
    output_offset         byte of channel 0 in that word, a multiple of ``config.lane_pitch``
    output_row_step       addresses between two output rows
    output_word_step      addresses between two words of an output pixel
    output_group_step     addresses that an output group advances (n div m words, or 1 word for max pool)
    output_phase_step     addresses between two phases of an output row
    output_phases_last    phases of the output map: the next layer's horizontal stride
    last_lane             last byte of the last output group: in an int8 map its last lane
    product               number of the dot product in ``config.products``
    output_format         number of the output map's format in ``config.output_formats``
    byte_last             last byte of the last input word that holds channels; 0 bits in an engine without masking
    wrap                  1: outputs are the low byte of the shifted sum, without clamp. 0 bits in an engine without wrapping
    transfers             blocks of the weight stream that must have been done; only with streaming
    ====================  ==========================================================================================
    """
    feature = unsigned(config.feature_bits)
    group = unsigned(config.group_width)
    extent = unsigned(config.extent_width)
    return data.StructLayout(
        {
            "operation": Operation,
            "groups_last": group,
            "words_last": group,
            "taps_last": unsigned(config.tap_bits),
            "tap_first": unsigned(config.tap_bits),
            "weight_first": unsigned(config.weight_bits),
            "rows_last": extent,
            "row_groups_last": extent,
            "tail_last": unsigned(config.bank_bits),
            "input_first": feature,
            "input_rows": extent,
            "word_step": feature,
            "row_step": feature,
            "row_stride": unsigned(STRIDE_WIDTH),
            "period_last": group,
            "period_step": feature,
            "pad": unsigned(8),
            "low": signed(8),
            "high": signed(8),
            "pivot": signed(8) if config.nudge else unsigned(0),
            "output_first": feature,
            "output_offset": range(config.m),
            "output_row_step": feature,
            "output_word_step": feature,
            "output_group_step": feature,
            "output_phase_step": feature,
            "output_phases_last": unsigned(STRIDE_WIDTH),
            "last_lane": range(max(config.output_bytes)),
            "product": range(len(config.products)),
            "output_format": range(len(config.output_formats)),
            "byte_last": range(config.m if config.masking else 1),
            "wrap": unsigned(1 if config.wrapping else 0),
            **({"transfers": unsigned(16)} if config.streaming else {}),
        }
    )


def descriptor_limits(config: EngineConfig) -> dict[str, int]:
    """Fields that number something of which the engine has fewer than the field's bits can tell, and how many."""
    counts = {
        "tail_last": config.p,
        "output_offset": config.m,
        "last_lane": max(config.output_bytes),
        "product": len(config.products),
        "output_format": len(config.output_formats),
        "byte_last": config.m if config.masking else 1,
    }
    layout = descriptor_layout(config)
    return {name: count for name, count in counts.items() if count < 1 << layout[name].width}


def tap_layout(config: EngineConfig) -> data.StructLayout:
    """Fields of a tap: one kernel position, relative to the first pixel of a pixel group.

    With input column ``x0 + kx * dilation - left = q * stride + phase``: ``bank = q mod p``, ``address`` is the distance of
    its row, phase and ``q div p`` from the group's address (modulo the feature buffer's size), ``column`` is q, ``columns`` the
    columns of the phase, ``row`` the row ``ky * dilation - top``. ``scale``, only with ``config.adding``: the tap's sums
    count 256-fold.
    """
    scale = {"scale": unsigned(1)} if config.adding else {}
    return data.StructLayout(
        {
            "address": unsigned(config.feature_bits),
            "bank": unsigned(config.bank_bits),
            "row": signed(config.extent_width + 1),
            "column": signed(config.extent_width + 1),
            "columns": unsigned(config.extent_width),
            **scale,
        }
    )


def descriptor_words(config: EngineConfig) -> int:
    """32-bit words of a descriptor in the program memory."""
    return -(-descriptor_layout(config).size // 32)


def encode(layout: data.StructLayout, values: Mapping[str, int]) -> int:
    """The bits of a structure with ``values``.

    Raises
    ------
    ValueError
        If a field is missing, unknown, or does not fit: the message names it.
    """
    names = {name for name, _ in layout}
    if names != set(values):
        raise ValueError(f"fields {sorted(names ^ set(values))} are missing or unknown")
    bits = 0
    for name, field in layout:
        value = int(values[name])
        shape = field.shape if not isinstance(field.shape, type) else unsigned(field.width)
        is_signed = getattr(shape, "signed", False)
        low, high = (-(1 << field.width - 1), (1 << field.width - 1) - 1) if is_signed else (0, (1 << field.width) - 1)
        if not low <= value <= high:
            raise ValueError(f"field {name} must be in {low}..{high}, not {value}")
        bits |= (value & ((1 << field.width) - 1)) << field.offset
    return bits


def decode(layout: data.StructLayout, bits: int) -> dict[str, int]:
    """The inverse of :func:`encode`."""
    values = {}
    for name, field in layout:
        value = bits >> field.offset & ((1 << field.width) - 1)
        shape = field.shape if not isinstance(field.shape, type) else unsigned(field.width)
        if getattr(shape, "signed", False) and value >> field.width - 1:
            value -= 1 << field.width
        values[name] = value
    return values
