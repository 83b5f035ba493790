"""The address map of an export: regions, registers and codes as a table of names and numbers, and as a C header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..hw.bus.address_window import region_words
from ..hw.config import PROGRAM_FORMAT
from ..hw.control.register_map import (
    MAGIC,
    CoreError,
    Region,
    Register,
    Status,
    StatusBit,
    StreamOutcome,
    StreamRegister,
    StreamStatusBit,
)
from .design import Design
from .verilog_text import header

__all__ = ["RegisterEntry", "c_header", "constants", "region_entries", "register_entries"]

_READ_ONLY = tuple(kind for kind in Register if kind not in (Register.CONTROL, Register.LIMIT, Register.SCRATCH))


_WIDTHS = {"ERROR": 8, "LAYERS": 16, "OUTCOME": 8, "PACKETS": 16}
"""Bits of the parts of a status that are not one bit."""


@dataclass(frozen=True)
class RegisterEntry:
    """A register or a region: its name in lower case, bytes from the window's start, its 32-bit words, ``access`` "read-only",
    "write-only" or "read-write"; of a status its parts: name, lowest bit, bits."""

    name: str
    address: int
    words: int
    access: str
    fields: tuple[tuple[str, int, int], ...] = ()


_STREAMING = (Register.EXTERNAL_WORDS, Register.EXTERNAL_STALLS)
"""Registers of engines that stream weights."""


def _regions(design: Design) -> list[Region]:
    return [region for region in region_words(design.config) if region != Region.STREAM or design.bus == "axi"]


def region_entries(design: Design) -> list[RegisterEntry]:
    """Every region of the design, in ascending order."""
    words = region_words(design.config)
    write_only = (Region.PROGRAM, Region.TAPS, Region.WEIGHTS)
    return [
        RegisterEntry(
            region.name.lower(), design.window.byte_address(region), words[region],
            "write-only" if region in write_only else "read-write",
        )
        for region in _regions(design)
    ]  # fmt: skip


def register_entries(design: Design) -> list[RegisterEntry]:
    """Every register of the design, in ascending order."""
    entries = []
    absent = {Register.BOOT, *(() if design.config.streaming else _STREAMING)}
    absent |= set() if design.config.spilling else {Register.EXTERNAL_WRITTEN}
    kinds: list[tuple[Region, Any]] = [(Region.REGISTERS, kind) for kind in Register if kind not in absent]
    if design.bus == "axi":
        kinds += [(Region.STREAM, kind) for kind in StreamRegister]
    for region, kind in kinds:
        access = "read-only" if kind in _READ_ONLY or kind == StreamRegister.STREAM_STATUS else "read-write"
        parts: Any = {Register.STATUS: StatusBit, StreamRegister.STREAM_STATUS: StreamStatusBit}.get(kind, ())
        fields = tuple((part.name.lower(), int(part), _WIDTHS.get(part.name, 1)) for part in parts)
        entries.append(RegisterEntry(kind.name.lower(), design.window.byte_address(region, kind.value), 1, access, fields))
    return entries


def _members(prefix: str, kinds: Any) -> list[tuple[str, int]]:
    return [(f"{prefix}_{kind.name}", int(kind.value)) for kind in kinds]


def constants(design: Design) -> dict[str, int]:
    """Everything that a program needs to know, by names in upper case."""
    values = {"WINDOW_BYTES": 1 << design.window.byte_bits, "CYCLES": design.cycles}
    values |= {f"REGION_{entry.name.upper()}": entry.address for entry in region_entries(design)}
    values |= {f"REGION_{entry.name.upper()}_WORDS": entry.words for entry in region_entries(design)}
    values |= {f"REGISTER_{entry.name.upper()}": entry.address for entry in register_entries(design)}
    for name, layout in (("INPUT", design.source), ("OUTPUT", design.target)):
        first, words = design.words(layout)
        values |= {f"{name}_ADDRESS": design.window.byte_address(Region.FEATURES, first), f"{name}_WORDS": words}
    if design.config.streaming:
        values |= {"MEMORY_BASE": design.memory_base, "MEMORY_WORDS": design.memory_words}
    values |= {"MAGIC": MAGIC, "FORMAT": PROGRAM_FORMAT}
    identity = design.config.identity
    values |= {"IDENTITY_LOW": identity & 0xFFFFFFFF, "IDENTITY_HIGH": identity >> 32}
    values |= {"CONTROL_START": 1, "CONTROL_RESUME": 2, "CONTROL_STOP": 4, "CONTROL_GIVE_UP": 8}
    values |= dict(_members("STATUS", StatusBit) + _members("ERROR", CoreError))
    if design.bus == "axi":
        values |= dict(_members("STREAM", StreamStatusBit) + _members("OUTCOME", StreamOutcome))
    if design.bus == "core":
        values |= dict(_members("ANSWER", Status))
    return values


def c_header(design: Design) -> str:
    """Preprocessor constants, addresses in bytes from the window's start."""
    guard = f"{design.name.upper()}_MAP_H"
    prefix = design.name.upper()
    lines = [header(design).rstrip("\n").replace("// ", "/* ", 1).replace("\n// ", "\n * ") + " */", f"#ifndef {guard}", f"#define {guard}", ""]
    lines.append("/* Bytes from the start of the window; STATUS_, STREAM_ and the like: positions of bits. */")
    width = max(len(name) for name in constants(design))
    for name, value in constants(design).items():
        lines.append(f"#define {prefix}_{name:<{width}} 0x{value:08x}u")
    return "\n".join([*lines, "", "#endif", ""])
