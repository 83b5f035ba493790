"""The weight stream as the external memory holds it (hw/external/weight_stream.py)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..hw.config import EngineConfig
from ..hw.control.descriptor import encode
from ..hw.external.external_map import ExternalMap
from ..hw.external.weight_stream import BLOCK_HEAD, BURST_WORDS, MAP_HEAD, BlockKind
from .layer_plan import OutputRun
from .weight_streaming import MoveBlock, WeightPlan, row_transfer

__all__ = ["weight_stream"]


def weight_stream(
    config: EngineConfig, plan: WeightPlan, contents: Mapping[tuple[int, OutputRun], NDArray[np.uint8]]
) -> NDArray[np.uint32]:
    """32-bit words from address 0 on. ``contents``: the weight words of each run, one a row of n * m bytes.

    The tag is the CRC-32 of the engine's identity and all that follows, so it tells streams, also those of other engines,
    apart; 0 and all ones, which a missing memory may read as, are not used.
    """
    blocks = []
    spilled = plan.spilled(config)
    for number, block in enumerate(plan.blocks):
        last = number == len(plan.blocks) - 1
        if isinstance(block, MoveBlock):
            body = _move(block, spilled[block.move.name], last)
        else:
            head = _head(BlockKind.WEIGHTS, block.first, block.words, block.after, last)
            words = contents[block.layer, block.run]
            padded = np.zeros((len(words), 4 * config.weight_segments), np.uint8)
            padded[:, : words.shape[1]] = words
            body = head + padded.tobytes()
        blocks.append(body + zlib.crc32(body).to_bytes(4, "little"))
    stream = b"".join(blocks)
    stream += bytes(-(len(stream) + 4) % (4 * BURST_WORDS))
    tag = zlib.crc32(config.identity.to_bytes(8, "little") + stream)
    tag = 1 if tag in (0, 0xFFFFFFFF) else tag
    return np.frombuffer(tag.to_bytes(4, "little") + stream, "<u4").astype(np.uint32)


def _head(kind: BlockKind, first: int, count: int, after: int, last: bool, rows: int = 1) -> bytes:
    values = {
        "first": first, "count_last": count - 1, "after": after, "last": int(last), "kind": kind.value, "rows_last": rows - 1,
        "unused": 0,
    }  # fmt: skip
    return encode(BLOCK_HEAD, values).to_bytes(BLOCK_HEAD.size // 8, "little")


def _move(block: MoveBlock, place: ExternalMap, last: bool) -> bytes:
    """Head of a block that moves rows."""
    move, window, transfer = block.move, block.move.window, row_transfer(block, place)
    first = window.base + (move.first - move.window_row) * window.line_words + move.first_word * window.plane_words
    values = {
        "plane_step": window.plane_words, "line_last": window.line_words - 1, "external_first": transfer.first,
        "external_step": transfer.step, "plane_words": transfer.plane_words,
    }  # fmt: skip
    kind = BlockKind.STORE if move.storing else BlockKind.LOAD
    head = _head(kind, first, transfer.planes, block.after, last, move.rows)
    return head + encode(MAP_HEAD, values).to_bytes(MAP_HEAD.size // 8, "little")
