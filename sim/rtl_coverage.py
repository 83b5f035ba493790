"""Lines and port bits of the RTL that a simulation exercised: Verilator's coverage file, by the blocks of the hardware."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..hw.errors import CheckFailed

__all__ = ["RtlCoverage", "block_of", "modules", "read_coverage"]

_BLOCKS = {
    "core": "hw/engine.py",
    "accumulation": "hw/memory/accumulation_buffer.py",
    "accumulate": "hw/primitives/distributed_ram.py",
    "array": "hw/compute/mac_array.py",
    "bank": "hw/primitives/block_ram.py",
    "counter": "hw/compute/plane_counter.py",
    "dot": "hw/compute/dot_product.py",
    "dot_int4xint4": "hw/compute/bit_plane_dot.py",
    "dot_int8xbinary": "hw/compute/bit_plane_dot.py",
    "dot_int8xint8": "hw/compute/dot_product.py",
    "dot_int8xternary": "hw/compute/bit_plane_dot.py",
    "dot_ternaryxternary": "hw/compute/ternary_dot.py",
    "dot_binaryxbinary": "hw/compute/xnor_popcount.py",
    "drain": "hw/control/drain_generator.py",
    "features": "hw/memory/feature_buffer.py",
    "host": "hw/control/host_access.py",
    "output": "hw/output/output_stage.py",
    "packer": "hw/output/word_packer.py",
    "paired": "hw/compute/paired_dot.py",
    "pool": "hw/compute/max_pool.py",
    "product": "hw/primitives/multiplier.py",
    "products": "hw/primitives/product_bank.py",
    "program": "hw/primitives/block_ram.py",
    "ram": "hw/primitives/block_ram.py",
    "memory": "hw/primitives/block_ram.py",
    "requantizer": "hw/output/requantizer.py",
    "selector": "hw/memory/window_selector.py",
    "sequencer": "hw/control/sequencer.py",
    "steps": "hw/control/step_generator.py",
    "store": "hw/output/parameter_store.py",
    "taps": "hw/primitives/block_ram.py",
    "term": "hw/compute/paired_dot.py",
    "tree": "hw/compute/compressor_tree.py",
    "weights": "hw/memory/weight_buffer.py",
    "write": "hw/memory/write_address.py",
}
"""The file of each instance in the core, by its name without numbers."""

_SPECIAL = {
    "accumulation.drain": "hw/primitives/distributed_ram.py",
    "dot.tree": "hw/compute/adder_tree.py",
    "dot_int8xint8.tree": "hw/compute/adder_tree.py",
}
"""Instances whose name has another meaning inside of another block."""

_POINT = re.compile(r"C '(.*)' (\d+)")
_MODULE = re.compile(r"^module (\S+) ?\(([^;]*)\);", re.MULTILINE)
_NAMELESS = re.compile(r"port\$\d+")
_CODED = re.compile(r"__0([0-9A-F]{2})")


def _plain(name: str) -> str:
    """An instance's name without numbers: of ``dot_0_1``, ``dot``."""
    return re.sub(r"_\d+(?=_|$)", "", re.sub(r"\$\d+$", "", name))


def block_of(path: str) -> str:
    """The file of the block at a path like ``core.array.dot_0_1``. Raises CheckFailed for an instance that is not known."""
    names = [_plain(name) for name in path.split(".")]
    if path.endswith("weights.ram"):  # one, without a number
        return "hw/primitives/single_port_ram.py"
    found = _SPECIAL.get(".".join(names[-2:])) or _BLOCKS.get(names[-1])
    if found is None:
        raise CheckFailed(f"The core's instance {path} is of no block that coverage knows: add it to {Path(__file__).name}.")
    return found


@dataclass(frozen=True, kw_only=True)
class RtlCoverage:
    """What was exercised.

    ``toggles``: "block: port[bit] edge", and whether it was seen in some instance. By block, every instance for itself, how many
    were seen and how many there are: ``instances`` of bits and edges, ``lines`` of lines and branches.
    """

    toggles: Mapping[str, bool]
    instances: Mapping[str, tuple[int, int]]
    lines: Mapping[str, tuple[int, int]]


def modules(text: str) -> dict[str, dict[str, str]]:
    """For each module of the Verilog the ports' names, and what each is called here: those without a name of their own are numbered."""
    found = {}
    for name, ports in _MODULE.findall(text):
        names, nameless = {}, 0
        for port in (part.strip().lstrip("\\").strip() for part in ports.split(",")):
            called = re.sub(r"\$\d+$", "", port)
            if _NAMELESS.match(port):
                called, nameless = f"port {nameless}", nameless + 1
            names[port] = called
        found[name.lstrip("\\")] = names
    return found


def read_coverage(path: Path, verilog: str) -> RtlCoverage:
    """The coverage that a simulation of the core's Verilog wrote. Raises CheckFailed if there is none."""
    ports = modules(verilog)
    toggles: dict[str, bool] = {}
    instances: dict[str, tuple[int, int]] = {}
    lines: dict[str, tuple[int, int]] = {}
    for line in path.read_text(errors="replace").splitlines():
        match = _POINT.fullmatch(line)
        if match is None:
            continue
        fields = dict(part.split("\x02", 1) for part in match[1].split("\x01") if "\x02" in part)
        covered = int(match[2]) > 0
        page = fields.get("page", "")
        kind, _, module = page.partition("/")
        module = _CODED.sub(lambda code: chr(int(code[1], 16)), module)
        block = block_of(module)
        if kind == "v_toggle":
            signal = _CODED.sub(lambda code: chr(int(code[1], 16)), fields["o"])
            name, _, edge = signal.rpartition(":")
            base, bracket, index = name.partition("[")
            port = ports.get(module, {}).get(base.strip())
            if port is None or port in ("clk", "rst"):
                continue
            key = f"{block}: {port}{bracket}{index} {edge}"
            toggles[key] = toggles.get(key, False) or covered
        counts = instances if kind == "v_toggle" else lines
        done, total = counts.get(block, (0, 0))
        counts[block] = (done + covered, total + 1)
    if not toggles:
        raise CheckFailed(f"{path} holds no coverage of a core.")
    return RtlCoverage(toggles=toggles, lines=lines, instances=instances)
