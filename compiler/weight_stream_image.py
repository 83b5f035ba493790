"""The weight stream as the external memory holds it (hw/external/weight_stream.py)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..hw.config import EngineConfig
from ..hw.control.descriptor import encode
from ..hw.external.weight_stream import BLOCK_HEAD, BURST_WORDS
from .layer_plan import OutputRun
from .weight_streaming import WeightPlan

__all__ = ["weight_stream"]


def weight_stream(
    config: EngineConfig, plan: WeightPlan, contents: Mapping[tuple[int, OutputRun], NDArray[np.uint8]]
) -> NDArray[np.uint32]:
    """32-bit words from address 0 on. ``contents``: the weight words of each run, one a row of n * m bytes.

    The tag is the CRC-32 of the engine's identity and all that follows, so it tells streams, also those of other engines,
    apart; 0 and all ones, which a missing memory may read as, are not used.
    """
    blocks = []
    for number, block in enumerate(plan.blocks):
        head = encode(
            BLOCK_HEAD,
            {
                "weight_first": block.first,
                "words_last": block.words - 1,
                "after": block.after,
                "last": int(number == len(plan.blocks) - 1),
                "unused": 0,
            },
        )
        words = contents[block.layer, block.run]
        padded = np.zeros((len(words), 4 * config.weight_segments), np.uint8)
        padded[:, : words.shape[1]] = words
        body = head.to_bytes(8, "little") + padded.tobytes()
        blocks.append(body + zlib.crc32(body).to_bytes(4, "little"))
    stream = b"".join(blocks)
    stream += bytes(-(len(stream) + 4) % (4 * BURST_WORDS))
    tag = zlib.crc32(config.identity.to_bytes(8, "little") + stream)
    tag = 1 if tag in (0, 0xFFFFFFFF) else tag
    return np.frombuffer(tag.to_bytes(4, "little") + stream, "<u4").astype(np.uint32)
