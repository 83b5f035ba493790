"""Tests of macaw.hw.config: every rule's sentence, the derived sizes, the identity."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from macaw.hw.config import EngineConfig
from macaw.hw.errors import UserError

BASE = EngineConfig(p=3, m=5, n=7)

RANGES: dict[str, tuple[int, int]] = {
    "p": (1, 64), "m": (1, 64), "n": (1, 64), "depth": (1, 64), "feature_depth": (2, 65536), "weight_depth": (2, 65536),
    "program_depth": (4, 4096), "tap_depth": (2, 4096), "extent_width": (3, 12), "group_width": (1, 12),
    "accumulator_width": (12, 32), "multiplier_width": (8, 34), "requantizer_digit": (0, 8),
    "nudge": (0, 34), "multiplier_latency": (2, 3),
}  # fmt: skip

CHANGED: dict[str, Any] = {
    "p": 4, "m": 4, "n": 4, "depth": 2, "feature_depth": 2048, "weight_depth": 1024, "program_depth": 1024,
    "tap_depth": 512, "extent_width": 9, "group_width": 10, "accumulator_width": 25, "multiplier_width": 28,
    "shifts": (18, 24, 30, 37), "nudge": 22, "requantizer_digit": 4, "multiplier_latency": 2, "weight_memory": "spram",
    "prefetch": False, "taps_in_program": True, "pooling": False, "adding": True, "logic_dots": 5, "part_pitch": 2,
    "products": ("int8xint8", "ternaryxternary"), "output_formats": ("int8", "ternary"), "wrapping": True, "streaming": True,
    "spilling": True,
}  # fmt: skip


@pytest.mark.parametrize("name", RANGES)
def test_ranges(name: str) -> None:
    low, high = RANGES[name]
    for value in (low, high):
        changed: dict[str, Any] = {name: value}
        assert getattr(replace(BASE, **changed), name) == value
    wrongs: tuple[Any, ...] = (low - 1, high + 1, 2.5, "3", None, True)
    for wrong in wrongs:
        sentence = f"^Engine parameter {name} must be an integer from {low} to {high}, not {wrong!r}\\.$"
        with pytest.raises(UserError, match=sentence):
            replace(BASE, **{name: wrong})


@pytest.mark.parametrize(
    "shifts",
    [(), (1, 2, 3, 4, 5, 6, 7, 8, 9), [1, 2, 3, 4], (4, 3, 2, 1), (1, 1, 2, 3), (0, 1, 2, 3), (1, 2, 3, 49), (1, 2, 3, 4.0)],
)
def test_shifts(shifts: Any) -> None:
    with pytest.raises(UserError, match="shifts must be one to eight different ascending integers from 1 to 48, not [\\[(]"):
        replace(BASE, shifts=shifts)


def test_choices() -> None:
    with pytest.raises(UserError, match="weight_memory must be 'block' or 'spram', not 'sdram'"):
        replace(BASE, weight_memory="sdram")
    with pytest.raises(UserError, match="pooling must be true or false, not 1"):
        EngineConfig.from_dict(BASE.to_dict() | {"pooling": 1})
    with pytest.raises(UserError, match="adding must be true or false, not 'yes'"):
        EngineConfig.from_dict(BASE.to_dict() | {"adding": "yes"})


def test_logic_dots() -> None:
    assert replace(BASE, logic_dots=21).logic_dots == 21
    with pytest.raises(UserError, match="logic_dots must be at most p \\* n, here 21, not 22"):
        replace(BASE, logic_dots=22)
    with pytest.raises(UserError, match="logic_dots must be an integer from 0 to 4096, not -1"):
        replace(BASE, logic_dots=-1)


def test_one_memory_for_program_and_taps() -> None:
    with pytest.raises(UserError, match="taps_in_program must be false in an engine with prefetch"):
        replace(BASE, taps_in_program=True)
    config = replace(BASE, prefetch=False, taps_in_program=True, program_depth=150, tap_depth=106)
    assert config.shared_depth == 256
    assert replace(config, tap_depth=107).shared_depth == 512


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        BASE.p = 4  # type: ignore[misc]


def test_dictionaries() -> None:
    for config in (BASE, EngineConfig(**CHANGED | {"weight_memory": "block"}), EngineConfig(**CHANGED | {"streaming": False, "spilling": False})):
        values = json.loads(json.dumps(config.to_dict()))
        assert EngineConfig.from_dict(values) == config
        assert EngineConfig.from_dict(values).identity == config.identity
    assert EngineConfig.from_dict({"p": 3, "m": 5, "n": 7}) == BASE
    with pytest.raises(UserError, match="^Unknown engine parameters: banks, lanes\\.$"):
        EngineConfig.from_dict({"p": 1, "m": 1, "n": 1, "lanes": 2, "banks": 3})
    with pytest.raises(UserError, match="^Missing engine parameters: m, n\\.$"):
        EngineConfig.from_dict({"p": 1})
    with pytest.raises(UserError, match="depth must be an integer from 1 to 64, not 0"):
        EngineConfig.from_dict({"p": 1, "m": 1, "n": 1, "depth": 0})


@pytest.mark.parametrize(
    ("name", "value"),
    [("products", ()), ("products", ("int8xint4",)), ("products", ["int8xint8"]), ("products", ("int8xint8",) * 2),
     ("output_formats", ("int2",)), ("output_formats", "int8")],
)  # fmt: skip
def test_formats(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"parameter {name} must be one or more of .*int8.*, each once, not"):
        replace(BASE, **{name: value})


@pytest.mark.parametrize(("name", "step"), [("int4", 2), ("ternary", 4), ("binary", 8)])
def test_lanes_fill_whole_bytes(name: str, step: int) -> None:
    config = replace(BASE, n=step, output_formats=("int8", name))
    assert config.output_bytes == (step, 1)
    with pytest.raises(UserError, match=f"cannot write {name} maps: .* must fill whole bytes, so n must be a multiple of {step}"):
        replace(config, n=step + 1)


def test_low_bit_engines_multiply_nothing_in_logic() -> None:
    with pytest.raises(UserError, match="logic_dots must be 0 in an engine without the product int8xint8"):
        replace(BASE, products=("binaryxbinary",), logic_dots=1)


def test_sums_are_as_wide_as_the_widest_product() -> None:
    widths = {"int8xint8": 19, "int4xint4": 12, "ternaryxternary": 7, "binaryxbinary": 8, "int8xternary": 12, "int8xbinary": 12}
    for name, width in widths.items():
        config = replace(BASE, m=8, products=(name,))
        assert (config.sum_width, config.masking) == (width, name.endswith(("xbinary", "ternaryxternary")))
    assert replace(BASE, m=8, products=("int4xint4", "int8xbinary")).sum_width == 12


def test_identity() -> None:
    assert set(CHANGED) == {field.name for field in fields(EngineConfig)}
    base = replace(BASE, n=8)  # a width that all formats allow
    without: dict[str, dict[str, Any]] = {"taps_in_program": {"prefetch": False}, "spilling": {"streaming": True}}
    identities = {base.identity} | {
        replace(base, **{name: value}, **without.get(name, {})).identity for name, value in CHANGED.items()
    }
    assert len(identities) == len(CHANGED) + 1
    assert replace(base, streaming=True, spilling=True).identity != replace(base, streaming=True).identity
    assert all(0 < identity < 1 << 64 for identity in identities)
    assert replace(BASE, p=4).identity != replace(BASE, m=4).identity
    assert EngineConfig(p=3, m=5, n=7).identity == BASE.identity


def test_identity_depends_on_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    before = BASE.identity
    monkeypatch.setattr("macaw.hw.config.PROGRAM_FORMAT", 10**6)
    assert BASE.identity != before


@pytest.mark.parametrize(
    ("values", "sizes"),
    [
        (
            {"p": 3, "m": 5, "n": 7},
            {"word_width": 40, "weight_width": 280, "bank_bits": 2, "feature_bits": 10, "weight_bits": 9, "slot_bits": 0,
             "feature_segments": 2, "weight_segments": 9, "sum_width": 19, "lane_pitch": 1, "write_steps": 3,
             "offset_width": 52, "parameter_width": 81, "parameter_words": 3, "pixel_interval": 3},
        ),
        (
            {"p": 1, "m": 1, "n": 1, "accumulator_width": 12, "multiplier_width": 8, "shifts": (1, 2, 3, 15)},
            {"word_width": 8, "weight_width": 8, "bank_bits": 0, "feature_segments": 1, "weight_segments": 1,
             "sum_width": 16, "lane_pitch": 1, "write_steps": 1, "offset_width": 25, "parameter_words": 5,
             "pixel_interval": 1},
        ),
        (
            {"p": 4, "m": 8, "n": 4, "depth": 5, "requantizer_digit": 4, "tap_depth": 100, "program_depth": 100},
            {"bank_bits": 2, "slot_bits": 3, "lane_pitch": 4, "write_steps": 1, "requantizer_steps": 7,
             "requantizer_interval": 8, "pixel_interval": 8, "tap_bits": 7, "program_bits": 7},
        ),
        ({"p": 1, "m": 4, "n": 16}, {"write_steps": 4, "lane_pitch": 4, "pixel_interval": 4}),
        ({"p": 1, "m": 6, "n": 4}, {"write_steps": 2, "lane_pitch": 2}),
    ],
)  # fmt: skip
def test_sizes(values: dict[str, Any], sizes: dict[str, int]) -> None:
    config = EngineConfig(**values)
    assert {name: getattr(config, name) for name in sizes} == sizes


def test_text() -> None:
    assert str(BASE) == "3 x 5 x 7, depth 1"


def test_streaming_needs_block_ram() -> None:
    with pytest.raises(UserError, match="weight_memory must be 'block' in an engine with streaming"):
        replace(BASE, streaming=True, weight_memory="spram")


def test_engines_without_streaming_keep_their_identity() -> None:
    """Their Verilog is the same as before there was such a thing."""
    assert "streaming" not in BASE.to_dict() and replace(BASE, streaming=True).to_dict()["streaming"] is True
    assert EngineConfig.from_dict(BASE.to_dict()) == BASE
