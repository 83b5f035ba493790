"""Tests of macaw.boards.link.frame against the golden model of the bridge."""

from __future__ import annotations

import random

import numpy as np
import pytest

from macaw.boards.link.frame import AnswerParser, encode_request
from macaw.hw.bus.frame import FrameStatus, Operation
from macaw.sim.golden.frame_bridge import FrameBridgeModel


class _Words:
    def __init__(self) -> None:
        self.words: dict[int, int] = {}

    def read(self, address: int) -> tuple[int, int]:
        return 0, self.words.get(address, 0)

    def write(self, address: int, data: int) -> int:
        self.words[address] = data
        return 0


def test_round_trip_through_the_model() -> None:
    model, parser = FrameBridgeModel(8, _Words()), AnswerParser()
    words = np.array([1, 0xFFFFFFFF, 0xC76DC76D], np.uint32)
    parser.expect(2, payload=True)
    data = model.feed(
        encode_request(Operation.WRITE, sequence=1, address=5, payload=words)
        + encode_request(Operation.READ, sequence=2, address=5, count=3)
        + encode_request(Operation.PING, sequence=3, count=0xFFFF)
    )
    chance = random.Random(1)
    garbage = chance.randbytes(40).replace(b"\x6d", b"\x6e")
    answers = []
    for byte in garbage + data + b"\x6d" + data:  # one byte at a time
        answers += parser.feed(bytes([byte]))
    assert [(a.status, a.sequence, a.count) for a in answers] == 2 * [
        (0, 1, 3),
        (0, 2, 3),
        (FrameStatus.BAD_COUNT, 3, 8),
    ]
    assert answers[1].words.tolist() == words.tolist() and answers[0].words.size == 0
    assert parser.rejected == len(garbage) + 1


def test_every_broken_bit_is_found() -> None:
    model = FrameBridgeModel(8, _Words())
    data = model.feed(encode_request(Operation.READ, sequence=9, address=0, count=2))
    for bit in range(8 * len(data)):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        parser = AnswerParser()
        parser.expect(9, payload=True)
        assert parser.feed(bytes(broken)) == []
        parser.reset()
        assert len(parser.feed(data)) == 1


def test_fields_that_fit_no_frame() -> None:
    with pytest.raises(ValueError, match="cannot be a frame"):
        encode_request(Operation.READ, sequence=0, count=0x10000)
    with pytest.raises(ValueError, match="cannot be a frame"):
        encode_request(Operation.WRITE, sequence=0, count=1)
