"""The tests in tiers, and random networks. `python -m macaw.scripts.regress --help`.

Fast: what says within minutes that something is broken: lint, and the tests that compile no engine and run no place and route.
Between: `.ci/run`, all but the slow tests on the installed wheel. Full: all tests.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..hw.errors import CheckFailed, UserError
from . import random_networks
from .console import CONSOLE, run_command

__all__ = ["main"]


COMPILING = (
    "tests/boards/test_toolchain.py",
    "tests/boards/link/test_line.py",
    "tests/examples/test_signal_networks.py",
    "tests/export/test_simulation.py",
    "tests/export/test_tools.py",
    "tests/formal/*",
    "tests/hw/bus/test_axi_stream.py",
    "tests/hw/bus/test_bus_proofs.py",
    "tests/hw/bus/test_frame_bridge.py",
    "tests/hw/bus/test_wishbone.py",
    "tests/hw/compute/test_*_dot.py",
    "tests/hw/compute/test_compressor_tree.py",
    "tests/hw/compute/test_dot_product.py",
    "tests/hw/compute/test_xnor_popcount.py",
    "tests/hw/external/*",
    "tests/hw/primitives/*",
    "tests/netlist/*",
    "tests/scripts/test_benchmark.py",
    "tests/scripts/test_bringup.py",
    "tests/scripts/test_c_driver.py",
    "tests/scripts/test_command.py",
    "tests/scripts/test_faults.py",
    "tests/scripts/test_interrupt.py",
    "tests/scripts/test_link_rate.py",
    "tests/scripts/test_regress.py",
    "tests/scripts/test_simulation_speed.py",
    "tests/scripts/test_tflite_models.py",
    "tests/scripts/test_vendor_project.py",
    "tests/scripts/test_weights.py",
    "tests/sim/test_hostile_frames.py",
    "tests/sim/test_illegal_programs.py",
    "tests/sim/test_mlperf_tiny.py",
    "tests/sim/test_packed_networks.py",
    "tests/sim/test_qonnx_rtl.py",
    "tests/sim/test_random_networks.py",
    "tests/sim/test_s*.py",
    "tests/sim/test_utilization.py",
    "tests/sim/test_weight_streaming.py",
)
"""Tests that the fast tier leaves out: they compile engines, prove or route. Patterns of files."""

_SLOWEST = 15


def run_tests(workers: int, *, fast: bool = False) -> None:
    """The tests of the checkout in the working directory, all of them or the fast ones, with the slowest of them and the time.
    Raises CheckFailed if one fails."""
    if not Path("tests", "scripts").is_dir():
        raise UserError("There are no tests here: run it from the root of a checkout.")
    started = time.monotonic()
    chosen = ["-m", "slow or not slow"]
    if fast:
        if subprocess.run([sys.executable, "-m", "ruff", "check", "."]).returncode:
            raise CheckFailed("ruff has found something.")
        chosen = ["-m", "not slow", "-k", "not verilator", *(f"--ignore-glob={Path.cwd() / name}" for name in COMPILING)]
    code = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", str(workers), f"--durations={_SLOWEST}", *chosen]
    ).returncode
    CONSOLE.print(f"tests: {time.monotonic() - started:.0f} s")
    if code:
        raise CheckFailed(f"pytest ended with exit code {code}.")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="regress", description="All tests, and random networks on random engines.")
    parser.add_argument("--fast", action="store_true", help="lint, and the tests that compile no engine, prove and route nothing")
    parser.add_argument("--full", action="store_true", help="all tests, the slow ones included")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes for the tests")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="N random engines with random networks of bytes, and N of few bits")
    parser.add_argument("--networks", type=int, default=5, metavar="N", help="random networks on each engine")
    parser.add_argument(
        "--seed", type=int, default=None, metavar="S", help="of the first random engine; today's without"
    )
    parser.add_argument(
        "--keep", type=Path, default=Path(), metavar="DIR", help="where a failing network is written, reduced to a small one"
    )
    arguments = parser.parse_args(argv)
    if not (arguments.fast or arguments.full) and arguments.random < 1:
        parser.error("nothing to do: give --fast, --full, --random N, or several")

    code = 0
    if arguments.fast or arguments.full:
        code = run_command(lambda: run_tests(arguments.workers, fast=not arguments.full))
    if arguments.random > 0 and code in (0, 1):
        seed = int(time.strftime("%Y%m%d")) * 1000 if arguments.seed is None else arguments.seed
        CONSOLE.print(f"random engines with seeds {seed} to {seed + arguments.random - 1}")
        words = ["--engines", str(arguments.random), "--networks", str(arguments.networks), "--seed", str(seed)]
        for kind in ([], ["--packed"]):
            code = max(code, random_networks.main([*words, *kind, "--keep", str(arguments.keep)]))
    return code


if __name__ == "__main__":
    raise SystemExit(main())
