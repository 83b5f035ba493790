"""Entry point of `macaw`: an interrupt while Python still imports is an answer of one line, too."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Imports and runs the command line; the exit code."""
    try:
        from .command import main as run

        return run()
    except KeyboardInterrupt:
        print("Interrupted: nothing had begun.", file=sys.stderr)
        return 1
