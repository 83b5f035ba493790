"""A small engine to be exported."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from macaw.export.design import Design
from macaw.export.top import Top
from macaw.export.verilog_text import modules
from macaw.hw.config import EngineConfig
from macaw.hw.memory.map_layout import MapLayout

CONFIG = EngineConfig(p=3, m=5, n=2, feature_depth=64, weight_depth=48, program_depth=40, tap_depth=9)

MakeDesign = Callable[..., Design]


@pytest.fixture(scope="session")
def make_design() -> MakeDesign:
    """A design with the bus that is asked for; other fields may be given, too."""

    def make(bus: str = "axi", **changes: object) -> Design:
        fields: dict[str, object] = {
            "name": "macaw_small", "bus": bus, "config": CONFIG, "model": "small.onnx", "cycles": 99, "family": None,
            "source": MapLayout(p=3, m=5, height=4, width=6, channels=5), "version": "1.2.3",
            "target": MapLayout(p=3, m=5, height=2, width=3, channels=4, base=20),
        }  # fmt: skip
        return Design(**(fields | changes))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def exported(make_design: MakeDesign) -> Callable[[str], tuple[dict[str, str], Top]]:
    """Modules and top of the design with a bus, made once."""
    return functools.cache(lambda bus: modules(make_design(bus)))
