"""Checks that take longer than a commit should: all tests, and random networks. `python -m macaw.scripts.regress --help`."""

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


def run_tests(workers: int) -> None:
    """All tests of the checkout in the working directory, the slow ones included. Raises CheckFailed if one fails."""
    if not Path("tests", "scripts").is_dir():
        raise UserError("There are no tests here: run it from the root of a checkout.")
    code = subprocess.run([sys.executable, "-m", "pytest", "-n", str(workers), "-m", "slow or not slow"]).returncode
    if code:
        raise CheckFailed(f"pytest ended with exit code {code}.")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="regress", description="All tests, and random networks on random engines.")
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
    if not arguments.full and arguments.random < 1:
        parser.error("nothing to do: give --full, --random N, or both")

    code = 0
    if arguments.full:
        code = run_command(lambda: run_tests(arguments.workers))
    if arguments.random > 0 and code in (0, 1):
        seed = int(time.strftime("%Y%m%d")) * 1000 if arguments.seed is None else arguments.seed
        CONSOLE.print(f"random engines with seeds {seed} to {seed + arguments.random - 1}")
        words = ["--engines", str(arguments.random), "--networks", str(arguments.networks), "--seed", str(seed)]
        for kind in ([], ["--packed"]):
            code = max(code, random_networks.main([*words, *kind, "--keep", str(arguments.keep)]))
    return code


if __name__ == "__main__":
    raise SystemExit(main())
