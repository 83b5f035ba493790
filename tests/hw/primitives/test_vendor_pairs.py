"""Each primitive's vendor form equals its portable form, cycle by cycle, on models of the vendor's cells."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Cat, Signal

from macaw.hw import emit
from macaw.hw.errors import CheckFailed
from macaw.hw.primitives import block_ram
from macaw.hw.primitives.block_ram import BlockRam
from macaw.hw.primitives.dp16kd import dp16kd
from macaw.hw.primitives.multiplier import Multiplier
from macaw.hw.primitives.product_bank import ProductBank
from macaw.hw.primitives.single_port_ram import SinglePortRam
from macaw.hw.primitives.target import Family, Target
from macaw.sim.harness.vendor_cells import vendor_cells
from macaw.sim.simulator import run_bench

Pair = tuple[str, str, Callable[[], Any]]


def _block_ram(width: int, depth: int, granularity: int | None = None, words: int = 0) -> Pair:
    """The first ``words`` words have random contents at the start."""
    chance = random.Random(f"{width} {depth}")
    init = [chance.getrandbits(width) for _ in range(words)]
    return (
        "block_ram", f"BlockRam({width}, {depth}, {granularity})", lambda: BlockRam(width, depth, granularity, init=init)
    )  # fmt: skip


def _single_port(width: int, depth: int) -> Pair:
    return "single_port_ram", f"SinglePortRam({width}, {depth})", lambda: SinglePortRam(width, depth)


def _products(count: int, latency: int, style: str) -> Pair:
    return "products", f"ProductBank({count}, {latency}, {style})", lambda: ProductBank(count, latency, style)


def _multiplier(width_a: int, width_b: int) -> Pair:
    return "products", f"Multiplier({width_a}, {width_b})", lambda: Multiplier(width_a, width_b)


PAIRS = {
    Family.ECP5: [
        _block_ram(64, 1024, 8),  # 18 bits wide, byte enables
        _block_ram(64, 512, 8),  # 36 bits wide, byte enables
        _block_ram(24, 100, 8, 100),  # 36 bits wide, an unused byte, shallow
        _block_ram(72, 700),  # 18 bits wide, one enable, a tile row partly used
        _block_ram(17, 700, None, 650),  # the same, with contents
        _block_ram(8, 1100, None, 1000),  # 9 bits wide
        _block_ram(4, 4096),
        _block_ram(2, 5000),
        _block_ram(3, 16384),  # 1 bit wide
        _block_ram(9, 3000),  # rows of tiles
        _block_ram(30, 1500, 10),  # two slots in a granule
        _single_port(40, 600),
        _products(3, 2, "dsp"),
        _products(2, 3, "dsp"),
        _products(2, 2, "logic"),
        _products(2, 3, "logic"),
        _multiplier(32, 34),
        _multiplier(24, 27),
        _multiplier(18, 27),
        _multiplier(26, 17),
        _multiplier(12, 9),
    ],
    Family.ICE40UP: [
        _block_ram(64, 256, 8),  # 16 bits wide, mask
        _block_ram(20, 200, 5, 190),
        _block_ram(8, 512, None, 512),
        _block_ram(12, 1024, 4, 1000),
        _block_ram(2, 2048, None, 2048),
        _block_ram(16, 700, None, 650),  # rows of tiles
        _single_port(40, 600),
        _single_port(16, 20000),  # rows of tiles
        _products(3, 2, "dsp"),
        _products(4, 3, "dsp"),
        _products(2, 2, "logic"),
        _multiplier(24, 27),
    ],
}


def _side_by_side(pairs: list[Pair], family: Family) -> tuple[str, list[dict[str, Any]]]:
    """Verilog of all pairs with a module ``top`` around them, and what the bench needs to know of each."""
    text = [vendor_cells(family)]
    ports = ["input clk", "input rst"]
    instances = []
    descriptions = []
    for number, (kind, title, make) in enumerate(pairs):
        component = make()
        text.append(emit.verilog(component, name=f"portable_{number}"))
        text.append(emit.verilog(make(), name=f"vendor_{number}", platform=Target(family)))
        inputs: dict[str, int] = {}
        outputs: dict[str, int] = {}
        for path, member, value in component.signature.flatten(component):
            width = len(value)
            name = "__".join(map(str, path))
            (inputs if member.flow.name == "In" else outputs)[name] = width
        for name, width in inputs.items():
            ports.append(f"input [{width - 1}:0] i{number}_{name}")
        for form, module in (("p", "portable"), ("v", "vendor")):
            for name, width in outputs.items():
                ports.append(f"output [{width - 1}:0] {form}{number}_{name}")
            links = [f".{name}(i{number}_{name})" for name in inputs]
            links += [f".{name}({form}{number}_{name})" for name in outputs]
            links += [".clk(clk)", ".rst(rst)"]
            instances.append(f"{module}_{number} {form}{number} ({', '.join(links)});")
        descriptions.append(
            {
                "kind": kind, "title": title, "latency": component.latency, "depth": getattr(component, "depth", 0),
                "inputs": inputs, "outputs": outputs,
            }
        )  # fmt: skip
    text.append("module top (" + ",\n".join(ports) + ");\n" + "\n".join(instances) + "\nendmodule\n")
    return "\n".join(text), descriptions


def _run(pairs: list[Pair], family: Family, folder: Path, cycles: int) -> int:
    text, descriptions = _side_by_side(pairs, family)
    source = folder / "top.v"
    source.write_text(text)
    return run_bench(
        source, top="top", test_module="macaw.sim.bench.primitive_pairs", build_dir=folder, seed=2026,
        parameters={"pairs": descriptions, "cycles": cycles},
    )  # fmt: skip


@pytest.mark.parametrize("family", list(PAIRS), ids=lambda family: family.value)
def test_vendor_form_equals_portable_form(family: Family, tmp_path: Path) -> None:
    assert _run(PAIRS[family], family, tmp_path, cycles=3000) == 1


def test_planted_bug_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The halves of the 36 bit mode read the wrong way round.
    def swapped(mode: int, *, read_data: Signal, **ports: Any) -> Any:
        return dp16kd(mode, read_data=Cat(read_data[18:], read_data[:18]), **ports)

    monkeypatch.setattr(block_ram, "dp16kd", swapped)
    with pytest.raises(CheckFailed):
        _run([_block_ram(36, 512)], Family.ECP5, tmp_path, cycles=500)
