# amaranth: UnusedElaboratable=no

"""The SDRAM model catches each broken rule, and only then."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

from macaw.hw.emit import verilog
from macaw.hw.external.sdram_timing import MT48LC16M16
from macaw.sim.bench import sdram_model
from macaw.sim.sdram_model import SdramModel, sdram_model_verilog, sdram_rules
from macaw.sim.simulator import run_bench


def test_every_rule(tmp_path: Path) -> None:
    timing = replace(MT48LC16M16, t_power_up=2_000, t_rc=90)
    source = tmp_path / "chip.v"
    source.write_text(
        verilog(SdramModel(timing, 100_000_000, strict=False), name="chip") + sdram_model_verilog()
    )
    told = {"times": asdict(timing) | {"t_rrd": 15.0}, "period": 10.0, "rules": sdram_rules()}
    assert run_bench(
        source, top="chip", test_module="macaw.sim.bench.sdram_model", build_dir=tmp_path, parameters=told
    ) == 1  # fmt: skip


def test_no_rule_is_left_out() -> None:
    """Each rule of the model has a scenario in the bench, and a place in the model that reports it."""
    text, bench = sdram_model_verilog(), Path(sdram_model.__file__).read_text()
    assert len(sdram_rules()) == 20
    for rule in sdram_rules():
        assert len(re.findall(rf"\bRULE_{rule}\b", text)) > 1 and f'"{rule}"' in bench, rule
