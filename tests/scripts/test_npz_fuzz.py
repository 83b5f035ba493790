"""Damaged and absurd input archives: they load or are refused in words, quickly and in little memory. Fixed seeds."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from macaw.compiler.graph import Graph
from macaw.compiler.model_import import import_model
from macaw.scripts.inputs import load_inputs
from macaw.sim.hostile_input import little_memory, refusal

SECONDS = 5.0
MEBIBYTES = 300


@pytest.fixture(scope="module")
def graph(digits: Path) -> Graph:
    return import_model(digits, None)


@pytest.fixture(autouse=True)
def memory(graph: Graph) -> Iterator[None]:
    with little_memory(MEBIBYTES):
        yield


def outcome(path: Path, content: bytes, graph: Graph) -> str:
    """The refusal, or "" if the archive loads. Everything but UserError fails the test."""
    path.write_bytes(content)

    def take() -> None:
        values = load_inputs(path, graph).values
        assert values.dtype == np.float32 and values.shape[1:] == (1, 8, 8) and np.isfinite(values).all()

    return refusal(take, SECONDS)


def archive(kind: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as packed:
        for name, content in members.items():
            packed.writestr(f"{name}.npy", content)
    return file.getvalue()


def array(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def header(text: str, version: int = 1) -> bytes:
    """An array's header that says what it likes, and no numbers behind it."""
    body = (text + " " * (-(len(text) + 11) % 64) + "\n").encode()
    return b"\x93NUMPY" + bytes([version, 0]) + len(body).to_bytes(2 if version == 1 else 4, "little") + body


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_bytes(graph: Graph, tmp_path: Path, kind: int) -> None:
    """Truncated anywhere, bytes changed, inserted, removed, in the archive and in the array inside of it."""
    generator = random.Random(f"npz {kind}")
    inner = array(np.random.default_rng(1).normal(size=(3, 1, 8, 8)).astype(np.float32))
    good = archive(kind, image=inner, labels=array(np.arange(3)))
    assert outcome(tmp_path / "good.npz", good, graph) == ""
    refused = 0
    for trial in range(150):
        content = bytearray(good if trial % 2 else inner)
        if trial % 5 == 0:
            del content[generator.randrange(len(content)) :]
        for _ in range(generator.randrange(1, 5)):
            place = generator.randrange(min(len(content), 300) + 1) if trial % 3 else generator.randrange(len(content) + 1)
            action = generator.randrange(3)
            if action == 0 and place < len(content):
                content[place] = generator.choice((0, 1, 127, 128, 255, generator.randrange(256)))
            elif action == 1:
                content[place:place] = generator.randbytes(generator.randrange(1, 9))
            else:
                del content[place : place + generator.randrange(1, 9)]
        data = bytes(content) if trial % 2 else archive(kind, image=bytes(content))
        refused += outcome(tmp_path / "fuzz.npz", data, graph) != ""
    assert refused > 75


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1, 8, 8), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000000000, 1, 8, 8), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 1, 8, 8), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3, 1, 8, 8), }",
        "{'descr': '<f4', 'fortran_order': 3, 'shape': (3, 1, 8, 8), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3, 1, 8, 8), }",
        "{'descr': '<U1000000', 'fortran_order': False, 'shape': (3, 1, 8, 8), }",
        "__import__('os').abort()",
        "(" * 3000,
        "[" * 90 + "]" * 90,
        "{'descr': '<f4'",
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3, 9])
def test_headers(graph: Graph, tmp_path: Path, text: str, version: int) -> None:
    assert outcome(tmp_path / "header.npz", archive(image=header(text, version)), graph) != ""


def test_labels_that_claim_too_much(graph: Graph, tmp_path: Path) -> None:
    claims = header("{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }")
    content = archive(image=array(np.zeros((3, 1, 8, 8), np.float32)), labels=claims)
    assert "in an array; split it" in outcome(tmp_path / "labels.npz", content, graph)


def test_a_small_archive_that_unpacks_to_much(graph: Graph, tmp_path: Path) -> None:
    """600 MB of zeros in 600 kB, behind a header of another shape: they are not unpacked."""
    bomb = header("{'descr': '<f4', 'fortran_order': False, 'shape': (150000000,), }") + bytes(600_000_000 // 8)
    assert "has shape (150000000,)" in outcome(tmp_path / "bomb.npz", archive(zipfile.ZIP_DEFLATED, image=bomb), graph)
