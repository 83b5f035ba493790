"""A memory on AXI as a user describes it, and what a network takes with it."""

from __future__ import annotations

from ..compiler.compilation import Compilation
from ..compiler.weight_streaming import streamed_cycles
from ..hw.errors import UserError
from ..hw.external.memory_port import ADDRESS_BITS
from ..sim.cost.axi_memory import AxiMemory
from ..sim.cost.cycles import program_cycles

__all__ = ["cycles_with", "parse_timing"]

_FIELDS = ("latency", "interval", "gap", "ahead")


def parse_timing(text: str) -> AxiMemory:
    """LATENCY, LATENCY,INTERVAL and so on. Raises UserError for anything else."""
    try:
        values = [int(part) for part in text.split(",")]
        if len(values) > len(_FIELDS):
            raise ValueError
        return AxiMemory(words=1 << ADDRESS_BITS, **dict(zip(_FIELDS, values, strict=False)))
    except ValueError as error:
        raise UserError(
            f"{text!r} describes no memory: give cycles as LATENCY[,INTERVAL[,GAP[,AHEAD]]] with --memory-timing, as 40 or 40,2: from an "
            "address to its first word and from word to word, each 1 or more; between bursts; bursts that are taken ahead, 1 or more."
        ) from error


def cycles_with(compilation: Compilation, memory: AxiMemory) -> int:
    """Cycles of an inference with that memory. Raises UserError if nothing is read from one."""
    if compilation.weights is None:
        raise UserError("The engine keeps all weights on the chip and reads nothing from a memory: leave --memory-timing out.")
    return program_cycles(compilation.config, streamed_cycles(compilation.config, compilation.weights, memory))
