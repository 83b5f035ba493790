"""Bench of ``WriteAddress``: whole maps with phases, tails, carries between words; pixels as close as allowed and further."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cocotb

from ...hw.config import EngineConfig
from ...hw.control.descriptor import Operation, descriptor_layout, encode
from ...hw.formats import FORMATS
from ...hw.memory.map_layout import MapLayout
from ..golden.write_address import PixelWrite, write_addresses
from .unit import Unit, run_units


def layer_fields(
    config: EngineConfig, target: MapLayout, first_channel: int, end_channel: int, pooling: bool
) -> dict[str, int]:
    """Descriptor fields that say where the output goes; the others are 0."""
    values = {name: 0 for name, _ in descriptor_layout(config)}
    lanes = target.word_channels if pooling else config.n
    plane = target.plane_words
    first_byte, group = first_channel * target.bits // 8, config.n * target.bits // 8
    values |= {
        "operation": (Operation.MAX_POOL if pooling else Operation.CONVOLUTION).value,
        "groups_last": -(-(end_channel - first_channel) // lanes) - 1,
        "output_first": target.base + first_byte // config.m * plane,
        "output_offset": first_byte % config.m,
        "output_row_step": target.line_words,
        "output_word_step": plane,
        "output_group_step": plane * (1 if pooling else group // config.m),
        "output_phase_step": target.phase_words,
        "output_phases_last": target.phases - 1,
        "last_lane": 0 if pooling else (end_channel - first_channel - 1) * target.bits // 8 % group,
        "output_format": config.output_formats.index(target.format),
    }
    return values


def _random_map(unit: Unit, config: EngineConfig, pooling: bool) -> tuple[MapLayout, int, int]:
    """A layout, and the channels that one descriptor writes of it."""
    chance = unit.chance
    stored = chance.choice(config.output_formats)
    lanes = config.m * 8 // FORMATS[stored].width if pooling else config.n
    target = MapLayout(
        p=config.p, m=config.m, height=chance.randint(1, 3), width=chance.randint(1, 3 * config.p + 2),
        channels=chance.randint(1, 3 * lanes + 2), phases=chance.randint(1, 3), base=chance.randrange(64), format=stored,
    )  # fmt: skip
    if chance.random() < 0.5:
        target = replace(target, pitch=target.plane_words + chance.randrange(4))
    groups = -(-target.channels // lanes)
    first = chance.randrange(groups)
    last = chance.choice([groups - 1, chance.randint(first, groups - 1)])
    return target, first * lanes, min((last + 1) * lanes, target.channels)


def _check(unit: Unit, word: Any, pixel: PixelWrite, pooling: bool) -> None:
    """One word, in the cycle in which it is due."""
    place = f"group {pixel.group}, row {pixel.row}, column {pixel.column}, step {word.step}"
    assert unit.get("enable"), f"{place}: no word"
    assert unit.get("step") == word.step, place
    if word.used:
        assert (unit.get("address"), unit.get("bank")) == (word.address, word.bank), f"{place}: {word}"
    if not pooling:
        assert (unit.get("offset"), unit.get("last_lane")) == (word.offset, word.last_lane), f"{place}: {word}"


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.5])
async def maps(dut: Any, idle: float) -> None:
    """Every word of every pixel, in the pixel's cycle and those after it, and no other word."""

    async def body(unit: Unit) -> None:
        config = EngineConfig.from_dict(unit.told["config"])
        chance = unit.chance
        for index in range(10):
            pooling = index % 3 == 2
            target, first, end = _random_map(unit, config, pooling)
            fields: Mapping[str, int] = layer_fields(config, target, first, end, pooling)
            unit.drive(layer=encode(descriptor_layout(config), fields), go=1, valid=0)
            await unit.tick()
            assert not unit.get("enable")
            unit.drive(go=0)
            steps = 1 if pooling else config.write_steps
            for pixel in write_addresses(
                config.p, config.m, target.word_channels if pooling else config.n, steps, height=target.height, width=target.width,
                channels=target.channels, phases=target.phases, base=target.base,
                plane_words=target.plane_words, first_channel=first, end_channel=end, bits=target.bits,
            ):  # fmt: skip
                while chance.random() < idle:
                    await unit.tick()
                    assert not unit.get("enable")
                unit.drive(valid=1, row_end=int(pixel.row_end), map_end=int(pixel.map_end))
                for word in pixel.words:
                    await unit.tick()
                    _check(unit, word, pixel, pooling)
                    unit.drive(valid=0, row_end=chance.randrange(2), map_end=chance.randrange(2))
            await unit.tick()
            assert not unit.get("enable")

    await run_units(dut, body)
