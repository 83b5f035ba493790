"""The accelerator: buffers, array, output stage, sequencer and registers behind one memory-mapped port."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from .bus.core_port import CorePort
from .compute.mac_array import MacArray
from .compute.max_pool import MaxPoolArray
from .config import PROGRAM_FORMAT, EngineConfig
from .control.delay import delay
from .control.descriptor import Operation, tap_layout
from .control.drain_generator import DrainGenerator
from .control.host_access import HostAccess
from .control.register_map import MAGIC, CoreError, Register, StatusBit
from .control.sequencer import Sequencer
from .control.step_generator import StepGenerator
from .external.memory_port import MemoryPort
from .external.weight_prefetcher import WeightPrefetcher
from .memory.accumulation_buffer import AccumulationBuffer
from .memory.contents import Contents, memory_words, shared_words
from .memory.feature_buffer import FeatureBuffer
from .memory.weight_buffer import WeightBuffer
from .memory.window_selector import WindowSelector
from .memory.write_address import WriteAddress
from .output.output_stage import OutputStage
from .output.word_packer import WordPacker
from .primitives.block_ram import BlockRam
from .timing import PipelineTiming

__all__ = ["Engine"]


class Engine(wiring.Component):
    """Runs the program in its memory: layer after layer, one step of the array a cycle.

    The pipeline is feed-forward; PipelineTiming names its stages. It stalls at the step generator and nowhere else.

    Parameters
    ----------
    config : EngineConfig
    clock_hz : int
        Value of ``Register.CLOCK``; 0 if unknown.
    boot : bool
        Whether there is a register BOOT, and the member of that name.
    contents : Contents, optional
        Of program, tap and weight memory at configuration; not with weights in SPRAM.

    Members
    -------
    port : In(CorePort())
        Registers and memories (hw/control/register_map.py).
    boot : In(3)
        Value of ``Register.BOOT``; only with the parameter.
    busy : Out(1)
        A program runs.
    error : Out(1)
        The last run ended with an error.
    memory : Out(MemoryPort())
        External memory; only with ``config.streaming``.

    **Reset.** Hold it for at least two cycles. Stops at once; memories keep their contents.
    """

    port: Any
    busy: Signal
    error: Signal
    boot: Signal
    memory: Any

    def __init__(
        self, config: EngineConfig, *, clock_hz: int = 0, boot: bool = False, contents: Contents | None = None
    ) -> None:
        self.config = config
        self.clock_hz = clock_hz
        self.booting = boot
        self.contents = contents
        self.timing = PipelineTiming(config)
        members = {"port": In(CorePort()), "busy": Out(1), "error": Out(1)}
        members |= {"memory": Out(MemoryPort())} if config.streaming else {}
        super().__init__(members | ({"boot": In(3)} if boot else {}))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        timing = self.timing

        m.submodules.host = host = HostAccess(config, boot=self.booting)
        # A run that is given up: all parts of it that have a state are in reset until the pipeline is empty.
        halting = Signal()
        busy = Signal()
        halted = ResetInserter(halting)
        sequencer = Sequencer(config, timing.flush)
        steps = StepGenerator(config)
        drain = DrainGenerator(config)
        m.submodules.sequencer = halted(sequencer)
        m.submodules.steps = halted(steps)
        m.submodules.drain = halted(drain)
        connect(m, flipped(self.port), host.port)
        layer = sequencer.layer
        pooling = Signal(reset_less=True)
        m.d.sync += pooling.eq(layer.operation == Operation.MAX_POOL)
        m.d.comb += [
            busy.eq(sequencer.busy | halting),
            self.error.eq(sequencer.error != CoreError.NONE),
            steps.layer.eq(layer),
            steps.go.eq(sequencer.go),
            drain.layer.eq(layer),
            drain.go.eq(sequencer.go),
            drain.start.eq(steps.drain_start),
            steps.drain_ready.eq(drain.ready),
            sequencer.layer_idle.eq(steps.idle & drain.idle),
        ]
        prefetcher = self._prefetcher(m, host, sequencer, halting)
        # What is still on its way behind a run that has ended early must not meet what the host writes.
        occupied = busy if prefetcher is None else busy | (prefetcher.draining & ~sequencer.paused)
        m.d.comb += [self.busy.eq(occupied), host.busy.eq(occupied)]
        self._registers(m, host, sequencer, steps, halting, busy, prefetcher)

        tap = self._program_and_taps(m, host, sequencer, steps)

        # Window address: group + word + tap; its place in the map decides what is padding.
        group = Signal(config.feature_bits, reset_less=True)
        m.d.sync += group.eq(steps.step.group + steps.step.word)
        group_2 = delay(m, group, timing.tap - 1, "group")[-1]
        column = delay(m, steps.step.column, timing.tap, "column")[-1]
        row = delay(m, steps.step.row, timing.tap, "row")[-1]
        address = Signal(config.feature_bits, reset_less=True)
        bank = Signal(range(config.p), reset_less=True)
        window_column = Signal(config.extent_width + 1, reset_less=True)
        window_columns = Signal(config.extent_width, reset_less=True)
        window_row = Signal(config.extent_width + 1, reset_less=True)
        m.d.sync += [
            address.eq(group_2 + tap.address),
            bank.eq(tap.bank),
            window_column.eq(column + tap.column),
            window_columns.eq(tap.columns),
            window_row.eq(row + tap.row),
        ]
        row_inside = Signal(reset_less=True)
        columns = Signal(config.extent_width, reset_less=True)
        pixel_columns = [Signal(config.extent_width + 1, name=f"pixel_column_{i}", reset_less=True) for i in range(config.p)]
        inside = Signal(config.p, reset_less=True)
        m.d.sync += [row_inside.eq(window_row < layer.input_rows), columns.eq(window_columns)]
        for i in range(config.p):
            m.d.sync += [
                pixel_columns[i].eq(window_column + i),
                inside[i].eq(row_inside & (pixel_columns[i] < columns)),
            ]

        m.submodules.features = features = FeatureBuffer(config)
        m.submodules.selector = selector = WindowSelector(config)
        host_reads = Signal(reset_less=True)
        m.d.sync += host_reads.eq(~sequencer.busy)
        with m.If(~host_reads):
            m.d.comb += [features.address.eq(address), features.bank.eq(bank)]
        with m.Else():
            m.d.comb += [features.address.eq(host.feature_address), features.bank.eq(host.feature_bank)]
        if prefetcher is not None and config.spilling:
            # Rows leave for the external memory while no layer runs.
            m.d.comb += prefetcher.map_read_word.eq(selector.rotated)
            with m.If(prefetcher.map_reading):
                m.d.comb += [features.address.eq(prefetcher.map_address), features.bank.eq(prefetcher.map_bank)]
        m.d.comb += [
            Cat(*selector.words).eq(Cat(*features.words)),
            selector.bank.eq(delay(m, features.bank, FeatureBuffer.latency - 1, "bank")[-1]),
            selector.inside.eq(delay(m, inside, timing.window - 1 - (timing.address + 2), "inside")[-1]),
            selector.pad.eq(layer.pad),
            *self._kept(m, selector, steps, layer),
            host.feature_word.eq(selector.rotated),
        ]

        # Weights arrive with the windows.
        m.submodules.weights = weights = WeightBuffer(config, init=self._initial("weights", config.weight_segments))
        m.d.comb += [
            weights.address.eq(delay(m, steps.step.weight, timing.weight_address, "weight")[-1]),
            weights.fetch.eq(delay(m, steps.step.fetch, timing.weight_address, "fetch", reset_less=False)[-1]),
        ]
        if prefetcher is None:
            m.d.comb += [
                weights.write_address.eq(host.weight_address),
                weights.write_data.eq(host.write_data),
                weights.write_enable.eq(host.weight_write),
            ]
        else:
            # The host writes while the prefetcher rests.
            m.d.comb += [
                weights.write_address.eq(Mux(prefetcher.active, prefetcher.write_address, host.weight_address)),
                weights.write_data.eq(Mux(prefetcher.active, prefetcher.write_data, host.write_data)),
                weights.write_enable.eq(prefetcher.write_enable | host.weight_write),
            ]

        # Array and accumulation; control travels beside the data.
        m.submodules.array = array = MacArray(config)
        accumulation = AccumulationBuffer(config)
        m.submodules.accumulation = halted(accumulation)
        valid = delay(m, steps.step.valid, timing.sums - 1, "valid", reset_less=False)
        last = delay(m, steps.step.last, timing.sums - 1, "last")
        m.d.comb += [
            array.product.eq(layer.product),
            Cat(*array.windows).eq(Cat(*selector.windows)),
            Cat(*array.weights).eq(Cat(*weights.rows)),
            Cat(*accumulation.sums).eq(Cat(*array.sums)),
            accumulation.valid.eq(valid[timing.sums - 1] & ~pooling),
            accumulation.last.eq(last[-1]),
            accumulation.slot.eq(delay(m, steps.step.slot, timing.sums - 1, "slot")[-1]),
        ]
        if config.adding:
            m.d.comb += accumulation.scale.eq(delay(m, tap.scale, timing.sums - 1 - timing.tap, "scale")[-1])

        # Finished pixels: out of the accumulation buffer, through the output stage, into a word.
        output = OutputStage(config)
        m.submodules.output = halted(output)
        pixel = delay(m, drain.event.pixel, timing.select, "pixel")
        event_valid = delay(m, drain.event.valid, timing.outputs, "event_valid", reset_less=False)
        row_end = delay(m, drain.event.row_end, timing.outputs, "row_end")
        map_end = delay(m, drain.event.map_end, timing.outputs, "map_end")
        m.d.comb += [
            accumulation.drain_slot.eq(delay(m, drain.event.slot, timing.select, "slot_out")[-1]),
            accumulation.drain_pixel.eq(pixel[timing.select]),
            Cat(*output.rows).eq(Cat(*weights.rows)),
            output.load.eq(delay(m, steps.step.parameters, timing.window - 1, "parameters", reset_less=False)[-1]),
            output.loaded.eq(delay(m, steps.step.parameters_last, timing.window - 1, "parameters_last")[-1]),
            output.valid.eq(event_valid[timing.accumulators] & ~pooling),
            output.group_end.eq(map_end[timing.accumulators]),
            Cat(*output.accumulators).eq(Cat(*accumulation.accumulators)),
            output.low.eq(layer.low),
            output.high.eq(layer.high),
            output.pivot.eq(layer.pivot if config.nudge else 0),
            output.wrap.eq(layer.wrap if config.wrapping else 0),
            steps.exchanged.eq(output.exchanged),
        ]

        m.submodules.write = write = WriteAddress(config)
        m.submodules.packer = packer = WordPacker(config)
        # An event's last register chooses between the two ways.
        write_valid = Signal(reset_less=True)
        write_row_end = Signal(reset_less=True)
        write_map_end = Signal(reset_less=True)
        moment = timing.outputs - 1
        m.d.sync += [
            write_valid.eq(event_valid[moment]),
            write_row_end.eq(row_end[moment]),
            write_map_end.eq(map_end[moment]),
        ]
        m.d.comb += [
            write.layer.eq(layer),
            write.go.eq(sequencer.go),
            write.valid.eq(write_valid),
            write.row_end.eq(write_row_end),
            write.map_end.eq(write_map_end),
            Cat(*packer.lanes).eq(Cat(*output.outputs)),
            packer.format.eq(layer.output_format),
            packer.last_lane.eq(write.last_lane),
            packer.offset.eq(write.offset),
            packer.step.eq(write.step),
        ]
        word = Signal(config.word_width)
        mask = Signal(config.m)
        m.d.comb += [word.eq(packer.word), mask.eq(packer.mask)]

        if config.pooling:
            pool = MaxPoolArray(config)
            m.submodules.pool = halted(pool)
            m.d.comb += [
                pool.format.eq(layer.output_format),
                Cat(*pool.windows).eq(Cat(*selector.windows)),
                pool.valid.eq(valid[timing.window] & pooling),
                pool.last.eq(last[timing.window]),
                pool.pixel.eq(pixel[timing.pool_select]),
            ]
            moment = timing.pool_word - 1
            with m.If(pooling):
                m.d.sync += [
                    write_valid.eq(event_valid[moment]),
                    write_row_end.eq(row_end[moment]),
                    write_map_end.eq(map_end[moment]),
                ]
                m.d.comb += [word.eq(pool.word), mask.eq(~0)]

        # A finished word.
        ready = Signal(reset_less=True)
        ready_address = Signal(config.feature_bits, reset_less=True)
        ready_bank = Signal(range(config.p), reset_less=True)
        ready_word = Signal(config.word_width, reset_less=True)
        ready_mask = Signal(config.m, reset_less=True)
        m.d.sync += [
            ready.eq(write.enable),
            ready_address.eq(write.address),
            ready_bank.eq(write.bank),
            ready_word.eq(word),
            ready_mask.eq(mask),
        ]

        # The feature buffer's write port: the engine first, the host in its gaps.
        write_address = Signal(config.feature_bits, reset_less=True)
        write_bank = Signal(range(config.p), reset_less=True)
        write_word = Signal(config.word_width, reset_less=True)
        write_mask = Signal(config.m)
        given: Any = host.feature_address, host.feature_bank, host.write_data, host.feature_write
        free: Any = ~ready
        if prefetcher is not None and config.spilling:
            # Rows from the external memory come before the host.
            loading = prefetcher.map_write_enable.any()
            row = prefetcher.map_address, prefetcher.map_bank, prefetcher.map_write_data, prefetcher.map_write_enable
            given = [Mux(loading, ours, other) for ours, other in zip(row, given, strict=True)]
            free = ~ready & ~loading
        given_address, given_bank, given_data, given_write = given
        given_word = given_data.replicate(config.feature_segments)[: config.word_width]
        given_mask = Cat(enable.replicate(4) for enable in given_write)[: config.m]
        m.d.sync += [
            write_address.eq(Mux(ready, ready_address, given_address)),
            write_bank.eq(Mux(ready, ready_bank, given_bank)),
            write_word.eq(Mux(ready, ready_word, given_word)),
            write_mask.eq(Mux(ready, ready_mask, given_mask)),
        ]
        m.d.comb += [
            host.feature_free.eq(free),
            features.write_address.eq(write_address),
            features.write_bank.eq(write_bank),
            features.write_data.eq(write_word),
            features.write_enable.eq(write_mask),
        ]
        return m

    def _initial(self, name: str, segments: int) -> list[int]:
        """Words of a memory at configuration."""
        return [] if self.contents is None else memory_words(getattr(self.contents, name), segments)

    def _program_and_taps(self, m: Module, host: HostAccess, sequencer: Sequencer, steps: StepGenerator) -> Any:
        """The memories of both, or the one; gives the tap that the step generator asked for ``timing.tap`` cycles ago."""
        config = self.config
        width = 32 * host.tap_segments
        layout = tap_layout(config)
        initial = self._initial("program", 1), self._initial("taps", host.tap_segments)
        if config.taps_in_program:
            # The sequencer reads between layers, the step generator in them.
            both = shared_words(*initial, config.shared_depth)
            m.submodules.program = shared = BlockRam(width, config.shared_depth, 32, init=both)
            bits = len(shared.read_address)
            top = ~Const(0, bits)
            m.d.comb += [
                shared.read_address.eq(Mux(steps.idle, sequencer.program_address, top ^ steps.step.tap)),
                shared.read_enable.eq(1),
                sequencer.program_data.eq(shared.read_data[:32]),
                shared.write_address.eq(Mux(host.program_write, host.program_address, top ^ host.tap_address)),
                shared.write_data.eq(host.write_data.replicate(host.tap_segments)),
                shared.write_enable.eq(host.tap_write | host.program_write),
            ]
            return data.View(layout, shared.read_data[: layout.size])
        m.submodules.program = program = BlockRam(32, config.program_depth, 32, init=initial[0])
        m.submodules.taps = taps = BlockRam(width, config.tap_depth, 32, init=initial[1])
        m.d.comb += [
            program.read_address.eq(sequencer.program_address),
            program.read_enable.eq(1),
            sequencer.program_data.eq(program.read_data),
            program.write_address.eq(host.program_address),
            program.write_data.eq(host.write_data),
            program.write_enable.eq(host.program_write),
            taps.read_address.eq(steps.step.tap),
            taps.read_enable.eq(1),
            taps.write_address.eq(host.tap_address),
            taps.write_data.eq(host.write_data.replicate(host.tap_segments)),
            taps.write_enable.eq(host.tap_write),
        ]
        return data.View(layout, taps.read_data[: layout.size])

    def _kept(self, m: Module, selector: WindowSelector, steps: StepGenerator, layer: Any) -> list[Any]:
        """What tells the window selector the bytes that hold channels: all but those behind the last input word's."""
        config = self.config
        if not config.masking:
            return []
        last = Signal(config.m, reset_less=True)
        keep = Signal(config.m, reset_less=True)
        word_end = delay(m, steps.step.word_end, self.timing.window - 2, "word_end")[-1]
        m.d.sync += [last.eq((2 << layer.byte_last) - 1), keep.eq(Mux(word_end, last, ~0))]
        return [selector.keep.eq(keep)]

    def _prefetcher(
        self, m: Module, host: HostAccess, sequencer: Sequencer, halting: Signal
    ) -> WeightPrefetcher | None:
        """What streams weights, with the host's way to its memory; None in an engine without."""
        if not self.config.streaming:
            return None
        m.submodules.prefetcher = prefetcher = WeightPrefetcher(self.config)
        connect(m, prefetcher.memory, flipped(self.memory))
        m.d.comb += [
            prefetcher.begin.eq(sequencer.stream_begin),
            prefetcher.abandon.eq(halting | (sequencer.error != CoreError.NONE)),
            prefetcher.tag.eq(sequencer.stream_tag),
            prefetcher.bursts.eq(sequencer.stream_bursts),
            prefetcher.passes.eq(sequencer.layers),
            sequencer.transfers.eq(prefetcher.transfers),
            sequencer.starving.eq(prefetcher.starving),
            sequencer.stream_error.eq(prefetcher.error),
            prefetcher.host_address.eq(host.external_address),
            prefetcher.host_data.eq(host.write_data),
            prefetcher.host_write.eq(host.external_write),
            host.external_taken.eq(prefetcher.host_taken),
            host.memory_busy.eq(prefetcher.active),
        ]
        if self.config.spilling:
            m.d.comb += prefetcher.running.eq(sequencer.busy)
        return prefetcher

    def _registers(
        self,
        m: Module,
        host: HostAccess,
        sequencer: Sequencer,
        steps: StepGenerator,
        halting: Signal,
        busy: Signal,
        prefetcher: WeightPrefetcher | None,
    ) -> None:
        config = self.config
        limit = Signal(16)
        scratch = Signal(8)
        cycles = Signal(32)
        stalls = Signal(24)
        status = Signal(32)
        m.d.comb += [
            sequencer.limit.eq(limit),
            status[StatusBit.BUSY].eq(busy if prefetcher is None else self.busy),
            status[StatusBit.DONE].eq(sequencer.done),
            status[StatusBit.PAUSED].eq(sequencer.paused),
            status[StatusBit.ERROR : StatusBit.ERROR + 8].eq(sequencer.error),
            status[StatusBit.LAYERS : StatusBit.LAYERS + 16].eq(sequencer.layers),
        ]
        control = Signal(4)
        m.d.sync += control.eq(Mux(host.register_write & (host.register == Register.CONTROL.value), host.write_data, 0))
        m.d.comb += [
            sequencer.start.eq(control[0]),
            sequencer.resume.eq(control[1] & ~control[0]),
            sequencer.stop.eq(control[2]),
        ]
        with m.If(host.register_write & (host.register == Register.LIMIT.value)):
            m.d.sync += limit.eq(host.write_data)
        with m.If(host.register_write & (host.register == Register.SCRATCH.value)):
            m.d.sync += scratch.eq(host.write_data)
        # One cycle late: a run ends long after the last cycle that they count.
        counting = Signal()
        stalled = Signal()
        m.d.sync += [counting.eq(sequencer.busy), stalled.eq(steps.stalled)]
        with m.If((sequencer.start & ~busy) | control[3]):
            m.d.sync += [cycles.eq(0), stalls.eq(0)]
        with m.Else():
            m.d.sync += [cycles.eq(cycles + counting), stalls.eq(stalls + (stalled | halting))]
        # The counter of stalls has nothing else to count then.
        with m.If(control[3]):
            m.d.sync += halting.eq(1)
        with m.Elif(stalls[ceil_log2(self.timing.flush + 1)]):
            m.d.sync += halting.eq(0)

        values = {
            Register.MAGIC: Const(MAGIC, 32),
            Register.FORMAT: Const(PROGRAM_FORMAT, 32),
            Register.IDENTITY_LOW: Const(config.identity & 0xFFFFFFFF, 32),
            Register.IDENTITY_HIGH: Const(config.identity >> 32, 32),
            Register.LIMIT: limit,
            Register.STATUS: status,
            Register.CYCLES: cycles,
            Register.STALLS: stalls,
            Register.SCRATCH: scratch,
            Register.CLOCK: Const(self.clock_hz, 32),
            Register.BOOT: self.boot if self.booting else Const(0, 32),
        }
        if prefetcher is not None:
            waits = Signal(32)
            awaiting = Signal()
            m.d.sync += awaiting.eq(sequencer.awaiting)
            with m.If((sequencer.start & ~busy) | control[3]):
                m.d.sync += waits.eq(0)
            with m.Else():
                m.d.sync += waits.eq(waits + awaiting)
            m.d.comb += status[StatusBit.MEMORY].eq(self.memory.ready)
            values |= {Register.EXTERNAL_WORDS: prefetcher.words, Register.EXTERNAL_STALLS: waits}
            if config.spilling:
                values[Register.EXTERNAL_WRITTEN] = prefetcher.written
        by_number = Array(values.get(Register(number), Const(0, 32)) if number in {r.value for r in Register} else Const(0, 32) for number in range(16))
        m.d.comb += host.register_value.eq(by_number[host.register])
