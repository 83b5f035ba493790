"""A compiler launcher that compiles Verilator's own runtime once and not for each design.

``python object_cache.py CXX ARGUMENTS`` runs the compiler. The object of a source below ``$VERILATOR_ROOT/include`` is
kept in the user's cache folder under a hash of the command, the compiler and the Verilator; everything else is passed
through. Used as ``OBJCACHE`` of Verilator's makefile; imports nothing of Macaw's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["main"]


def _cached_object(command: list[str]) -> tuple[Path, Path] | None:
    """Output of the command and its place in the cache, or None if the command is not to be cached."""
    root = os.environ.get("VERILATOR_ROOT")
    compiler = shutil.which(command[0])
    if root is None or compiler is None or "-c" not in command or "-o" not in command[:-2]:
        return None
    source, output = Path(command[-1]), Path(command[command.index("-o") + 1])
    include = Path(root).resolve() / "include"
    if not source.is_file() or include not in source.resolve().parents:
        return None
    digest = hashlib.sha256("\0".join(command).encode())
    for path in (Path(compiler), include / "verilated.h", include / "verilated_config.h", source):
        status = path.stat()
        digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "macaw" / "verilated"
    return output, folder / f"{digest.hexdigest()}.o"


def main(command: list[str]) -> int:
    """Exit code of ``command``, which is not run if its object is in the cache."""
    try:
        place = _cached_object(command)
        if place is not None and place[1].is_file():
            shutil.copyfile(place[1], place[0])
            return 0
    except (OSError, RuntimeError):  # no cache folder, or no home
        place = None
    code = subprocess.run(command, check=False).returncode
    if code == 0 and place is not None:
        output, kept = place
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=kept.parent)
            os.close(handle)
            shutil.copyfile(output, temporary)
            os.replace(temporary, kept)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
