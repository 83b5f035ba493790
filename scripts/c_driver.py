"""The host driver of a build in C99: ``driver/`` with macaw.h, macaw.c, images.c and example.c.

Register map, frames and layouts come from the definitions that the hardware and the Python host use.
"""

from __future__ import annotations

import struct
import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from amaranth.utils import ceil_log2
from numpy.typing import NDArray

from .. import __version__
from ..boards.accelerator import Images
from ..compiler.arrangement import Arrangement
from ..compiler.compilation import Compilation
from ..compiler.graph import Convolution, Graph, HostStep
from ..compiler.idle_strides import drop_idle_strides
from ..compiler.input_folding import folded_positions
from ..compiler.number_formats import choose_formats
from ..compiler.orientation import turn
from ..hw.bus import frame
from ..hw.bus.frame import FrameStatus, Operation
from ..hw.config import PROGRAM_FORMAT, EngineConfig
from ..hw.control.register_map import ADDRESS_WIDTH, MAGIC, CoreError, Region, Register, Status, StatusBit
from ..hw.formats import FORMATS
from ..hw.memory.map_layout import MapLayout

__all__ = ["HostOrder", "host_order", "write_driver"]

_TEMPLATES = {
    "macaw.h": "macaw.h.j2", "macaw.c": "macaw.c.j2", "images.c": "driver_images.c.j2", "example.c": "driver_example.c.j2",
}  # fmt: skip

_FRAME_WORDS = 128
"""Words of the boards' bridge (hw/bus/frame_bridge.py); a bridge with fewer says so."""


@dataclass(frozen=True, kw_only=True)
class HostOrder:
    """Where the elements of the input map are in the model's input, as arithmetic.

    With ``fold`` (R, C) and F = ``fan_in`` channel ``((g * R + i) * C + j) * F + f`` of place (y, x) is element
    ``Y * strides[0] + X * strides[1] + (g * F + f) * strides[2]`` with ``Y = y * units[0] + i * dilations[0] - begins[0]``,
    X likewise, and padding where Y or X lies outside of ``extents``. Without a fold R = C = 1 and begins are 0.
    """

    fold: tuple[int, int]
    fan_in: int
    units: tuple[int, int]
    dilations: tuple[int, int]
    begins: tuple[int, int]
    extents: tuple[int, int]
    strides: tuple[int, int, int]

    def elements(self, shape: tuple[int, int, int]) -> NDArray[np.int64]:
        """The element for each of the map's, -1 for padding, in the map's order."""
        rows, columns = self.fold
        y, x, channel = np.indices(shape)
        place_y = y * self.units[0] + channel // (self.fan_in * columns) % rows * self.dilations[0] - self.begins[0]
        place_x = x * self.units[1] + channel // self.fan_in % columns * self.dilations[1] - self.begins[1]
        source = channel // (self.fan_in * rows * columns) * self.fan_in + channel % self.fan_in
        element = place_y * self.strides[0] + place_x * self.strides[1] + source * self.strides[2]
        outside = (place_y < 0) | (place_y >= self.extents[0]) | (place_x < 0) | (place_x >= self.extents[1])
        return np.where(outside, -1, element).reshape(-1)


def _strides(order: NDArray[np.int64], shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Distances along the axes of an order that begins with 0."""
    places = order.reshape(shape)
    steps = [int(np.take(places, 1, axis).reshape(-1)[0]) if extent > 1 else 0 for axis, extent in enumerate(shape)]
    return steps[0], steps[1], steps[2]


def host_order(source: Graph, arrangement: Arrangement, final: Graph) -> HostOrder | None:
    """Of the network ``final`` that ``arrangement`` has made of the imported ``source``; None if no such arithmetic gives
    its ``input_order``."""
    graph = turn(source) if arrangement.turned else source
    shape = graph.tensors[graph.input].shape
    strides = _strides(graph.input_order, shape)
    if arrangement.fold is None:
        order = HostOrder(
            fold=(1, 1), fan_in=shape[2], units=(1, 1), dilations=(1, 1), begins=(0, 0), extents=shape[:2], strides=strides
        )
    else:
        rows, columns = arrangement.fold
        axes = folded_positions(choose_formats(drop_idle_strides(graph)), rows, columns)
        units = [int(axis[1, 0] - axis[0, 0]) if len(axis) > 1 else 1 for axis in axes]
        dilations = [int(axis[0, 1] - axis[0, 0]) if axis.shape[1] > 1 else 1 for axis in axes]
        order = HostOrder(
            fold=(rows, columns), fan_in=_fan_in(graph), units=(units[0], units[1]), dilations=(dilations[0], dilations[1]),
            begins=(-int(axes[0][0, 0]), -int(axes[1][0, 0])), extents=shape[:2], strides=strides,
        )  # fmt: skip
    same = np.array_equal(order.elements(final.tensors[final.input].shape), final.input_order)
    return order if same else None


def _fan_in(graph: Graph) -> int:
    """Channels of the input that one output of its only reader sees."""
    (node,) = [node for node in graph.nodes if graph.input in node.inputs]
    assert isinstance(node, Convolution)
    return int(node.weights.shape[3])


def _real(value: float) -> str:
    """A float32 constant."""
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if any(mark in text for mark in ".en") else f"{text}.0f"


def _text(text: str) -> str:
    """A name, for a comment or a string."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-.:/ ()") else "_" for c in text)


def _layout(layout: MapLayout) -> str:
    return ", ".join(
        f"{value}u" for value in (
            layout.base, layout.size, layout.height, layout.width, layout.channels, layout.channel_bytes, layout.words,
            layout.plane_words, layout.line_words, layout.phase_words, layout.phases, layout.first_byte, layout.bits,
        )
    )  # fmt: skip


def _table(values: NDArray[np.int64]) -> str:
    return textwrap.fill(", ".join(map(str, values.tolist())), 110, subsequent_indent="    ", break_long_words=False)


def _steps(steps: Iterable[HostStep]) -> str:
    return ", ".join(step.kind for step in steps if step.kind not in ("int8", "uint8"))


def _input(compilation: Compilation, source: Graph) -> dict[str, Any]:
    graph = compilation.graph
    tensor = graph.tensors[graph.input]
    order = host_order(source, compilation.arrangement, graph)
    held = FORMATS[tensor.format]
    return {
        "name": _text(graph.input_name), "model_shape": " x ".join(map(str, graph.input_shape)),
        "size": int(np.prod(graph.input_shape[1:])), "unsigned": tensor.unsigned, "scale": _real(tensor.scale),
        "zero_point": tensor.zero_point, "low": held.low, "high": held.high, "format": tensor.format,
        "steps": _steps(graph.input_steps), "layout": _layout(compilation.program.maps[graph.input]),
        "width": tensor.shape[1], "channels": tensor.shape[2],
        "folded": compilation.arrangement.fold is not None, "table": _table(graph.input_order) if order is None else "",
        **({} if order is None else asdict(order) | {"fold_rows": order.fold[0], "fold_columns": order.fold[1]}),
    }  # fmt: skip


def _output(compilation: Compilation) -> dict[str, Any]:
    graph = compilation.graph
    tensor = graph.tensors[graph.output]
    size = len(graph.output_order)
    inverse = np.zeros(size, np.int64)
    inverse[graph.output_order] = np.arange(size)
    strides = _strides(inverse, tensor.shape)
    regular = np.array_equal(np.tensordot(strides, np.indices(tensor.shape), 1).reshape(-1), inverse)
    planes = graph.host_steps[0].planes if graph.host_steps and graph.host_steps[0].kind == "sums" else 1
    return {
        "name": _text(graph.output_name), "model_shape": " x ".join(map(str, graph.output_shape)), "size": size,
        "unsigned": tensor.unsigned, "scale": _real(tensor.scale), "zero_point": tensor.zero_point,
        "steps": _steps(graph.host_steps), "layout": _layout(compilation.program.maps[graph.output]),
        "width": tensor.shape[1], "channels": tensor.shape[2], "strides": strides,
        "table": "" if regular else _table(inverse), "planes": planes, "sums": size // planes,
    }  # fmt: skip


def _members(enumeration: Any) -> list[tuple[str, int]]:
    return [(member.name, int(member.value)) for member in enumeration]


def _crc_table() -> str:
    """Of half bytes; bit 0 first, as zlib's."""
    entries = []
    for value in range(16):
        for _ in range(4):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        entries.append(f"0x{value:08x}u")
    return ",\n        ".join(", ".join(entries[start : start + 8]) for start in (0, 8))


def _frames() -> dict[str, Any]:
    """What hw/bus/frame.py and hw/control/register_map.py define."""
    request, answer = struct.calcsize(frame.REQUEST_HEADER), struct.calcsize(frame.ANSWER_HEADER)
    # The template writes the fields of exactly these headers.
    assert (frame.REQUEST_HEADER, frame.ANSWER_HEADER, frame.WORD_BYTES) == ("<BBIH", "<BBH", 4)
    refusals = [(f"CORE_{name}", value) for name, value in _members(Status) if value]
    return {
        "request_form": "magic, operation, sequence, address (4 bytes), count (2), payload, CRC-32 (4), little-endian.",
        "magic": MAGIC, "region_shift": ADDRESS_WIDTH - 4, "regions": _members(Region), "registers": _members(Register),
        "status_bits": _members(StatusBit), "core_errors": _members(CoreError), "operations": _members(Operation),
        "answers": sorted([*_members(FrameStatus), *refusals], key=lambda member: member[1]),
        "first_frame_status": f"0x{FrameStatus.BAD_CHECKSUM:02x}", "frame_words": _FRAME_WORDS,
        "magic_bytes": frame.MAGIC_BYTES, "checksum_bytes": frame.CHECKSUM_BYTES, "request_header_bytes": request,
        "answer_header_bytes": answer, "payload_start": frame.MAGIC_BYTES + request,
        "header_bytes": frame.MAGIC_BYTES + request + frame.CHECKSUM_BYTES, "maximum_count": frame.MAXIMUM_COUNT,
        "request_magic": ", ".join(f"0x{byte:02x}" for byte in frame.REQUEST_MAGIC),
        "answer_magic": ", ".join(f"0x{byte:02x}" for byte in frame.ANSWER_MAGIC),
        "quiet_milliseconds": round(3000 * frame.PAUSE_SECONDS), "crc_table": _crc_table(),
    }  # fmt: skip


def _engine(config: EngineConfig) -> dict[str, Any]:
    return {
        "array": str(config), "p": config.p, "m": config.m, "banks": 1 << config.bank_bits, "segments": config.feature_segments,
        "segment_room": 1 << ceil_log2(config.feature_segments), "identity": f"{config.identity:016X}",
        "program_format": PROGRAM_FORMAT,
    }  # fmt: skip


def write_driver(
    folder: Path, compilation: Compilation, source: Graph, images: Images, *, model: str, board: str, clock_hz: int, baud: int
) -> None:
    """Write the driver of a build into ``folder/driver``.

    ``source`` is the network as imported, of which ``compilation`` was made; ``model`` and ``board`` are for people.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (resources.files(__package__) / name).read_text()),
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined, autoescape=False,
    )  # fmt: skip
    values = {
        "version": __version__, "model": _text(model), "board": _text(board), "clock_hz": clock_hz, "baud": baud,
        "cycles": compilation.cycles, "input": _input(compilation, source), "output": _output(compilation),
        "images": [(name, getattr(images, name).tolist()) for name in ("external", "taps", "weights", "program")],
        **_frames(), **_engine(compilation.config),
    }  # fmt: skip
    (folder / "driver").mkdir(exist_ok=True)
    for name, template in _TEMPLATES.items():
        (folder / "driver" / name).write_text(environment.get_template(template).render(values))
