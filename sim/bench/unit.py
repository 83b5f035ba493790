"""One component of a gallery inside the simulator: its ports by name, and what a bench does with all of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer

from ..simulator import bench_parameters

__all__ = ["Monitor", "Unit", "extreme", "run_units"]


class Unit:
    """Ports of one component, read and driven as integers with the sign of their shape.

    An array of ports is read and driven as a list. A port of 0 bits does not exist in the Verilog; it reads as 0.

    Attributes
    ----------
    told : mapping
        What the test says about this component.
    chance : random.Random
        Seeded from cocotb's seed and the component's number.
    clk : the clock's handle
    """

    def __init__(self, dut: Any, index: int, description: Mapping[str, Any]) -> None:
        self.clk = dut.clk
        self.told: dict[str, Any] = dict(description["told"])
        self.chance = random.Random(f"{cocotb.RANDOM_SEED} {index}")
        self.title = f"unit {index}: {self.told}"
        self._ports: dict[str, Mapping[str, Any]] = description["ports"]
        self._handles = {name: getattr(dut, f"u{index}__{name}") for name, port in self._ports.items() if port["width"]}
        self._arrays: dict[str, list[str]] = {}
        for name in self._ports:
            stem, _, number = name.rpartition("__")
            if number.isdigit():
                self._arrays.setdefault(stem, []).append(name)

    def width(self, name: str) -> int:
        """Bits of a port."""
        return int(self._ports[name]["width"])

    def drive(self, **values: int | Sequence[int]) -> None:
        """Give inputs new values from now on."""
        for name, value in values.items():
            if isinstance(value, int):
                self._drive(name, value)
            else:
                for element, part in zip(self._arrays[name], value, strict=True):
                    self._drive(element, part)

    def _drive(self, name: str, value: int) -> None:
        width = self.width(name)
        low = -(1 << width >> 1) if self._ports[name]["signed"] else 0
        assert low <= value < low + (1 << width), f"{name} has no value {value}"
        if width:
            self._handles[name].value = value & ((1 << width) - 1)

    def clear(self) -> None:
        """Drive every input with 0."""
        for name, handle in self._handles.items():
            if self._ports[name]["direction"] == "input":
                handle.value = 0

    def get(self, name: str) -> int:
        """Value of a port in the cycle that ends with this edge. Fails if a bit of it is unknown."""
        value = self.peek(name)
        assert value is not None, f"{name} has unknown bits"
        return value

    def peek(self, name: str) -> int | None:
        """Value of a port as :meth:`get` gives it, or None if a bit of it is unknown."""
        handle = self._handles.get(name)
        if handle is None:
            return 0
        try:
            value = int(handle.value)
        except ValueError:
            return None
        port = self._ports[name]
        return value - (1 << port["width"]) if port["signed"] and value >> port["width"] - 1 else value

    def list(self, name: str) -> list[int | None]:
        """Values of an array of ports, None where a bit is unknown."""
        return [self.peek(element) for element in self._arrays[name]]

    async def tick(self, cycles: int = 1) -> None:
        """Return after the next edge, or after more of them."""
        for _ in range(cycles):
            await RisingEdge(self.clk)


class Monitor:
    """Notes outputs of a unit in every cycle, from the cycle in which it is made.

    ``samples[t]`` holds the values of cycle t. Names of arrays are read as lists.

    Parameters
    ----------
    read : callable
        Gives the values of one cycle.
    """

    def __init__(self, unit: Unit, read: Callable[[], Any]) -> None:
        self.samples: list[Any] = []
        self._task = cocotb.start_soon(self._run(unit, read))

    async def _run(self, unit: Unit, read: Callable[[], Any]) -> None:
        while True:
            await unit.tick()
            self.samples.append(read())

    def stop(self) -> list[Any]:
        """End the notes and return them."""
        self._task.cancel()
        return self.samples


def extreme(chance: random.Random, low: int, high: int) -> int:
    """A random integer from ``low`` to ``high`` with a liking for both ends and the middle."""
    kind = chance.randrange(8)
    if kind == 0:
        return low
    if kind == 1:
        return high
    if kind == 2:
        return max(low, min(high, chance.choice((-1, 0, 1))))
    return chance.randint(low, high)


async def run_units(dut: Any, *bodies: Callable[[Unit], Coroutine[Any, Any, None]]) -> None:
    """Drive all inputs with 0, start the clock, reset, then run the body on all units side by side.

    The body begins at the start of a cycle. With several bodies there is a reset in front of each.
    """
    units = [Unit(dut, index, description) for index, description in enumerate(bench_parameters()["units"])]

    async def judge(unit: Unit, body: Callable[[Unit], Coroutine[Any, Any, None]]) -> None:
        try:
            await body(unit)
        except AssertionError as error:
            raise AssertionError(f"{unit.title}: {error}") from error

    for number, body in enumerate(bodies):
        dut.rst.value = 1
        if number == 0:
            for unit in units:
                unit.clear()
            await Timer(1, "ns")  # the clock's first edge is in the time step in which it starts
            Clock(dut.clk, 10, unit="ns").start()
        for _ in range(3):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        for task in [cocotb.start_soon(judge(unit, body)) for unit in units]:
            await task
