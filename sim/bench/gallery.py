"""Several shapes of a component side by side under one top, so that one build serves them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from amaranth.hdl import Module, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from ...hw.emit import verilog
from ...hw.primitives.target import Family, Target
from ..harness.vendor_cells import vendor_cells
from ..simulator import run_bench

__all__ = ["Gallery", "run_gallery"]


class Gallery(wiring.Component):
    """Components that share nothing but clock and reset; the ports of number i are named ``u{i}__<port>``.

    ``phase`` changes in every cycle, so that there is a clock even if no component has registers.

    Parameters
    ----------
    units : sequence of components
    """

    phase: Any

    def __init__(self, units: Sequence[Any]) -> None:
        self.units = list(units)
        members = {f"u{index}": Out(unit.signature) for index, unit in enumerate(self.units)}
        super().__init__({"phase": Out(1), **members})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.phase.eq(~self.phase)
        for index, unit in enumerate(self.units):
            m.submodules[f"unit_{index}"] = unit
            connect(m, flipped(getattr(self, f"u{index}")), unit)
        return m


def _ports(signature: Any, prefix: str = "") -> Iterator[tuple[str, str, Shape]]:
    """Name, direction and shape of each port, as the Verilog has them."""
    for name, member in signature.members.items():
        names = [prefix + name]
        for size in member.dimensions:
            names = [f"{start}__{index}" for start in names for index in range(size)]
        for full in names:
            if member.is_signature:
                yield from _ports(member.signature, f"{full}__")
            else:
                yield full, "output" if member.flow is Out else "input", Shape.cast(member.shape)


def run_gallery(
    name: str,
    units: Sequence[tuple[Any, Mapping[str, Any]]],
    build_dir: Path,
    *,
    simulator: str = "verilator",
    seed: int = 1,
    test_filter: str | None = None,
    family: Family = Family.GENERIC,
    form: Callable[[Any, str], str] | None = None,
) -> int:
    """Run the bench ``macaw.sim.bench.<name>`` against all ``units``: pairs of a component and what the bench is told.

    With a ``family`` the components are made of its cells, whose models are simulated with them. ``form`` is that of
    :func:`macaw.sim.simulator.run_bench`.

    Returns the number of tests run. Raises CheckFailed if one fails.
    """
    described = []
    for component, told in units:
        ports = {
            port: {"direction": direction, "width": shape.width, "signed": shape.signed}
            for port, direction, shape in _ports(component.signature)
        }
        described.append({"ports": ports, "told": dict(told)})
    if family is not Family.GENERIC:

        def form(component: Any, top: str) -> str:
            return vendor_cells(family) + verilog(component, name=top, platform=Target(family))

    return run_bench(
        Gallery([component for component, _ in units]),
        top=name,
        test_module=f"macaw.sim.bench.{name}",
        build_dir=build_dir,
        simulator=simulator,
        seed=seed,
        parameters={"units": described},
        test_filter=test_filter,
        form=form,
    )
