"""What holds of every stream, as assertions for proofs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Signal, Value

__all__ = ["StreamContract", "held"]


def held(m: Module, stream: Any, name: str) -> Value:
    """Whether ``stream`` keeps the rule in this cycle: what was valid and not taken is still there, unchanged."""
    payload = Value.cast(stream.payload)
    waits = Signal(name=f"{name}_waits")
    before = Signal(len(payload), name=f"{name}_before")
    m.d.sync += [waits.eq(stream.valid & ~stream.ready), before.eq(payload)]
    return ~waits | (stream.valid & (payload == before))


class StreamContract(Elaboratable):
    """``component`` gives streams that keep the rule of :func:`held` if the streams that it takes do.

    Parameters
    ----------
    component : Elaboratable
    gives, takes : streams of it
    """

    def __init__(self, component: Any, *, gives: Iterable[Any], takes: Iterable[Any] = ()) -> None:
        self.component = component
        self.gives = list(gives)
        self.takes = list(takes)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.component = self.component
        for number, stream in enumerate(self.takes):
            m.d.comb += Assume(held(m, stream, f"taken_{number}"))
        for number, stream in enumerate(self.gives):
            m.d.comb += Assert(held(m, stream, f"given_{number}"))
            # One that waits and is taken, twice: the rule is put to the test.
            waited = Signal(name=f"waited_{number}")
            times = Signal(2, name=f"times_{number}")
            m.d.sync += waited.eq(stream.valid & ~stream.ready)
            with m.If(waited & stream.valid & stream.ready & (times < 2)):
                m.d.sync += times.eq(times + 1)
            m.d.comb += Cover(times == 2)
        return m
