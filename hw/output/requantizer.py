"""One lane of the output stage: from an accumulator to an int8 output, exactly as certified by the compiler."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import EngineConfig
from ..primitives.multiplier import Multiplier

__all__ = ["Requantizer"]


class Requantizer(wiring.Component):
    """``output = clamp((accumulator * multiplier + offset) >> shifts[shift_code], low, high)``, floor shift, exact.

    ``offset`` holds the bias, the zero points and the rounding; docs/numerics.md says how the compiler finds the triple.

    With a nudge, where t is the sum before the shift and u behind it,
    ``output = clamp(u - (u <= pivot and t mod 2**shift < 2**nudge), low, high)``.

    With ``wrap`` it is the low byte of u.

    Parameters
    ----------
    config : EngineConfig
        ``accumulator_width``, ``multiplier_width``, ``shifts``, ``nudge``, ``wrapping``; ``requantizer_digit`` selects a pipelined multiplier (0) or a
        serial one that takes that many multiplier bits a cycle, most significant first.

    Members
    -------
    valid : In(1), accumulator : In(signed(accumulator_width))
        At most one every ``interval`` cycles.
    multiplier : In(multiplier_width), offset : In(signed(offset_width)), shift_code : In(shift_code_width)
        Must be stable from the cycle of ``valid`` until ``hold`` cycles after it. Product plus offset must fit
        ``offset_width`` bits; the compiler proves that it does.
    low, high : In(signed(8))
        ``low <= high``; stable while pixels are under way.
    pivot : In(signed(8))
        As ``low``; without effect in an engine without nudge. -128: no nudge.
    wrap : In(1)
        As ``low``; without effect in an engine without wrapping.
    output : Out(signed(8))

    **Timing.** ``valid`` in cycle t gives ``output`` in cycle t + ``latency``; it stays until the next one arrives.
    ``interval`` is ``config.requantizer_interval``.

    **Reset.** Registers are not reset; the first output after reset follows the first ``valid``.
    """

    valid: Signal
    accumulator: Signal
    multiplier: Signal
    offset: Signal
    shift_code: Signal
    low: Signal
    high: Signal
    pivot: Signal
    wrap: Signal
    output: Signal

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.interval = config.requantizer_interval
        self.hold = self.hold_of(config)
        self.latency = self.latency_of(config)
        super().__init__(
            {
                "valid": In(1),
                "accumulator": In(signed(config.accumulator_width)),
                "multiplier": In(config.multiplier_width),
                "offset": In(signed(config.offset_width)),
                "shift_code": In(config.shift_code_width),
                "low": In(signed(8)),
                "high": In(signed(8)),
                "pivot": In(signed(8)),
                "wrap": In(1),
                "output": Out(signed(8)),
            }
        )

    @staticmethod
    def _product_latency(config: EngineConfig) -> int:
        if config.requantizer_digit:
            return 1 + config.requantizer_steps
        return Multiplier.latency_of(config.accumulator_width, config.multiplier_width)

    @classmethod
    def hold_of(cls, config: EngineConfig) -> int:
        """Cycles after ``valid`` for which the parameters are still read."""
        return cls._product_latency(config) + 1

    @classmethod
    def latency_of(cls, config: EngineConfig) -> int:
        """Latency in cycles: product, offset, shift, comparison, clamp."""
        return cls._product_latency(config) + 4

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        latency = self._product_latency(config)
        product = Signal(signed(config.accumulator_width + config.multiplier_width))
        if config.requantizer_digit == 0:
            m.submodules.product = unit = Multiplier(config.accumulator_width, config.multiplier_width)
            m.d.comb += [unit.a.eq(self.accumulator), unit.b.eq(self.multiplier), product.eq(unit.product)]
        else:
            self._serial_product(m, product)

        arrived = self.valid
        stages = []
        for stage in range(latency + 3):
            following = Signal(name=f"valid_{stage + 1}")
            m.d.sync += following.eq(arrived)
            stages.append(following)
            arrived = following

        total = Signal(signed(config.offset_width), reset_less=True)
        m.d.sync += total.eq(product + self.offset)

        shortest = config.shifts[0]
        shifted = Signal(signed(config.offset_width - shortest), reset_less=True)
        m.d.sync += shifted.eq(self._choice(total >> shift for shift in config.shifts))

        # An output at or below `low` is `low` in any case, so the lowered one need not be compared with it.
        too_high: Any = shifted > self.high
        too_low: Any = shifted <= self.low
        if config.wrapping:
            too_high, too_low = too_high & ~self.wrap, too_low & ~self.wrap
        above = Signal(reset_less=True)
        below = Signal(reset_less=True)
        m.d.sync += [above.eq(too_high), below.eq(too_low)]
        byte = shifted[:8].as_signed()
        rounded = Signal(signed(8), reset_less=True)
        m.d.sync += rounded.eq(byte)
        if config.nudge:
            # Whether the sum lies at the beginning of its step: no bit of the fraction above the nudge is set.
            begins = Signal(reset_less=True)
            fractions = (total[config.nudge : max(shift, config.nudge)] for shift in config.shifts)
            m.d.sync += begins.eq(self._choice(~fraction.any() for fraction in fractions))
            lowered = begins & (byte <= self.pivot)
            # No clamp holds a lowest byte that the nudge would lower.
            m.d.sync += rounded.eq(byte - (lowered & ~self.wrap if config.wrapping else lowered))
        output = Signal(signed(8), reset_less=True)
        with m.If(stages[latency + 2]):
            m.d.sync += output.eq(Mux(below, self.low, Mux(above, self.high, rounded)))
        m.d.comb += self.output.eq(output)
        return m

    def _choice(self, values: Iterable[Value]) -> Value:
        """The one of the values, one for each shift, that the shift code selects."""
        choices = list(values)
        return choices[0] if len(choices) == 1 else Array(choices)[self.shift_code]

    def _serial_product(self, m: Module, product: Signal) -> None:
        """Most significant digit first: ``product = (product << digit) + accumulator * digit``."""
        config = self.config
        digit = config.requantizer_digit
        steps = config.requantizer_steps
        operand = Signal(signed(config.accumulator_width), reset_less=True)
        digits = Signal(steps * digit, reset_less=True)
        running = Signal(product.shape(), reset_less=True)
        with m.If(self.valid):
            m.d.sync += [operand.eq(self.accumulator), digits.eq(self.multiplier), running.eq(0)]
        with m.Else():
            partial = sum(
                (Mux(digits[-digit + bit], operand << bit, 0).as_signed() for bit in range(1, digit)),
                Mux(digits[-digit], operand, 0).as_signed(),
            )
            m.d.sync += [running.eq((running << digit) + partial), digits.eq(digits << digit)]
        # `steps` cycles after `valid` was registered the product is complete; it is consumed in exactly that cycle.
        m.d.comb += product.eq(running)
