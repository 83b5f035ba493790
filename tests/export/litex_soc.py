"""Run by test_tools.py: a SoC with the exported module, as Verilog; ``python litex_soc.py MODULE CLASS ORIGIN FOLDER``."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from litex.build.generic_platform import Pins, Subsignal
from litex.build.io import CRG
from litex.build.lattice import LatticePlatform
from litex.soc.integration.builder import Builder
from litex.soc.integration.soc_core import SoCMini
from litex.soc.interconnect import wishbone

WIDTHS = {"adr": 30, "dat_r": 32, "dat_w": 32, "sel": 4, "cyc": 1, "stb": 1, "ack": 1, "we": 1, "cti": 3, "bte": 2, "err": 1}
IO = [
    ("clk", 0, Pins(1)),
    ("rst", 0, Pins(1)),
    ("wb", 0, *(Subsignal(name, Pins(width)) for name, width in WIDTHS.items())),
]


class System(SoCMini):
    """A bus whose master is outside, and the module."""

    def __init__(self, platform: Any, module: Any, origin: int) -> None:
        self.crg = CRG(platform.request("clk"), platform.request("rst"))
        SoCMini.__init__(self, platform, clk_freq=50_000_000)
        master = wishbone.Interface()
        self.comb += master.connect_to_pads(platform.request("wb"), mode="slave")
        self.bus.add_master("outside", master)
        self.accelerator = module(platform)
        self.accelerator.attach(self, name="accelerator", origin=origin)


def main() -> None:
    """Writes gateware/system.v and csr.json."""
    module, name, origin, folder = sys.argv[1:]
    platform = LatticePlatform("LFE5U-25F-6BG256C", IO, toolchain="trellis")
    soc = System(platform, getattr(importlib.import_module(module), name), int(origin, 0))
    builder = Builder(soc, output_dir=folder, compile_software=False, csr_json=f"{folder}/csr.json")
    builder.build(run=False, build_name="system")


if __name__ == "__main__":
    main()
