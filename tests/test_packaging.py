"""The list of packages equals what is on disk: a missing line works in an editable tree and is missing in the wheel."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOP = ("boards", "compiler", "examples", "export", "hw", "scripts", "sim")


def test_packages() -> None:
    found = {"macaw"}
    for top in TOP:
        for init in (ROOT / top).rglob("__init__.py"):
            found.add(".".join(["macaw", *init.parent.relative_to(ROOT).parts]))
    assert found == set(PROJECT["tool"]["setuptools"]["packages"])


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for top in TOP if top != "examples" for path in (ROOT / top).rglob("*.py")}
    assert [str(folder.relative_to(ROOT)) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_top_level_folders() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders == set(TOP)
    expected = {"macaw": "."} | {f"macaw.{top}": top for top in TOP}
    assert PROJECT["tool"]["setuptools"]["package-dir"] == expected


def test_no_module_in_the_root() -> None:
    assert [path.name for path in ROOT.glob("*.py")] == ["__init__.py"]


def test_no_data_file_is_left_behind() -> None:
    """Every file that is no Python in a package, except documents, matches a pattern."""
    listed = {
        path
        for package, patterns in PROJECT["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")[1:]).glob(pattern)
    }
    found = {
        path
        for top in TOP
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc", ".md") and "__pycache__" not in path.parts
    }
    assert sorted(str(path.relative_to(ROOT)) for path in found - listed) == []
