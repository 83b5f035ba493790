# amaranth: UnusedElaboratable=no
"""The benches of the blocks on their netlists: the blocks' own tests, with synthesis before the simulation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from macaw.hw.primitives.target import Family
from macaw.sim.bench.gallery import run_gallery
from macaw.sim.simulator import run_bench

ROOT = Path(__file__).parents[1] / "hw"
FAMILIES = (Family.ECP5, Family.ICE40UP)
GENERIC: dict[str, Any] = {"family": Family.GENERIC}
"""The cells are those of the netlist's family."""
ICARUS: dict[str, Any] = {"simulator": "icarus"}
FAST = {("bus/crc32", "ecp5"), ("bus/stream_register", "ice40up"), ("bus/byte_queue", "ecp5")}

BENCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "bus/axi_lite": ("test_bench", ICARUS | {"offset_bits": 9}),
    "bus/axi_master": ("test_bench", {}),
    "bus/axi_stream": ("test_bench", {}),
    "bus/byte_queue": ("test_bench", ICARUS | {"depth": 4}),
    "bus/crc32": ("test_bench", ICARUS),
    "bus/frame_bridge": ("test_smoke_on_icarus", {}),
    "bus/spi_slave": ("test_bench", ICARUS | {"tests": "latency|lost|reset|follow"}),
    "bus/stream_register": ("test_bench", ICARUS),
    "bus/uart": ("test_receiver", ICARUS | {"divisor": 4}),
    "bus/uart transmitter": ("test_transmitter", ICARUS | {"divisor": 5}),
    "bus/wishbone": ("test_bench", {"pipelined": False}),
    "bus/wishbone pipelined": ("test_bench", {"pipelined": True}),
    "compute/adder_tree": ("test_bench", ICARUS),
    "compute/binary_weight_dot": ("test_bench", GENERIC),
    "compute/bit_plane_dot": ("test_bench", GENERIC),
    "compute/compressor_tree": ("test_bench", GENERIC),
    "compute/dot_product": ("test_bench", {}),
    "compute/int4_dot": ("test_bench", GENERIC),
    "compute/mac_array": ("test_bench", ICARUS),
    "compute/max_pool": ("test_bench", ICARUS),
    "compute/paired_dot": ("test_bench", GENERIC),
    "compute/ternary_dot": ("test_bench", GENERIC),
    "compute/ternary_weight_dot": ("test_bench", GENERIC),
    "compute/xnor_popcount": ("test_bench", GENERIC),
    "control/drain_generator": ("test_bench", ICARUS),
    "control/flash_loader": ("test_bench", ICARUS | {"half_cycles": 3, "tests": "foreign|erased"}),
    "control/host_access": ("test_bench", ICARUS),
    "control/sequencer": ("test_bench", ICARUS),
    "control/step_generator": ("test_bench", ICARUS),
    "external/external_memory_tester": ("test_bench", ICARUS),
    "memory/accumulation_buffer": ("test_bench", ICARUS),
    "memory/feature_buffer": ("test_bench", ICARUS),
    "memory/memory_tester": ("test_healthy_primitives", ICARUS),
    "memory/weight_buffer": ("test_bench", ICARUS),
    "memory/window_selector": ("test_bench", ICARUS),
    "memory/write_address": ("test_bench", ICARUS),
    "output/output_stage": ("test_bench", ICARUS),
    "output/parameter_store": ("test_bench", ICARUS),
    "output/requantizer": ("test_bench", ICARUS),
    "output/word_packer": ("test_bench", ICARUS),
}  # fmt: skip
"""Of each block the test of its bench and that test's arguments."""
SHAPES: dict[str, tuple[int, ...]] = {
    "compute/mac_array": (0, 3, 5),
    "compute/paired_dot": (2, 3, 8, 9),
    "control/host_access": (1, 2),
    "control/sequencer": (0, 1),
    "external/external_memory_tester": (2, 8),
    "memory/accumulation_buffer": (0, 4, 6),
    "output/output_stage": (0, 2, 3),
    "output/requantizer": (1, 3, 5),
}
"""Of blocks whose cells take Icarus long these of the bench's shapes; all others are run in all of theirs."""
OTHERWISE = {
    "external/test_map_transfer.py": "a part of the engine that streams",
    "external/test_sdram_controller.py": "a system with the memory's model, not a component",
    "external/test_weight_prefetcher.py": "a part of the engine that streams",
    "primitives/test_vendor_pairs.py": "compares cells with portable forms itself",
}
"""Tests of benches that are not run on netlists, and why."""


@pytest.mark.parametrize(
    ("block", "family"),
    [pytest.param(block, family, id=f"{block}-{family.value}", marks=() if (block, family.value) in FAST else pytest.mark.slow)
     for block in BENCHES for family in FAMILIES],
)  # fmt: skip
def test_bench(
    block: str, family: Family, tmp_path: Path, synthesized: Callable[[Family], Any], tests_in: Callable[[str], Any]
) -> None:
    """The bench passes on Icarus, with Yosys' models of the cells and ours of those that it has none of."""
    folder, _, name = block.partition("/")
    module = tests_in(f"hw/{folder}/test_{name.split()[0]}.py")
    form = synthesized(family)
    made: list[Any] = []

    def once(component: Any, top: str) -> str:
        made.append(top)
        return str(form(component, top))

    def bench(*words: Any, **options: Any) -> int:
        return run_bench(*words, **options | {"simulator": "icarus", "form": once})

    def gallery(called: str, units: list[Any], *words: Any, **options: Any) -> int:
        chosen = [units[number] for number in SHAPES[block]] if block in SHAPES else units
        return run_gallery(called, chosen, *words, **options | {"simulator": "icarus", "form": once})

    for runner in (bench, gallery):
        if hasattr(module, f"run_{runner.__name__}"):
            setattr(module, f"run_{runner.__name__}", runner)
    test, arguments = BENCHES[block]
    getattr(module, test)(tmp_path=tmp_path, **arguments)
    assert len(made) == 1


def test_every_bench_is_here() -> None:
    named = {f"{block.split()[0].replace('/', '/test_')}.py" for block in BENCHES}
    running = {
        str(path.relative_to(ROOT)) for path in ROOT.glob("*/test_*.py") if "run_bench(" in path.read_text() or "run_gallery(" in path.read_text()
    }  # fmt: skip
    assert running <= named | OTHERWISE.keys()
    assert OTHERWISE.keys() <= running
