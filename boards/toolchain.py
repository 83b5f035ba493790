"""From a board's top level to a bitstream with the open tools."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..hw.errors import CheckFailed
from ..hw.primitives.target import Family
from .board import Board
from .carry_ends import trim_carry_ends
from .device import Device
from .executable import find_tool
from .flow import flow_of
from .multiplier_floorplan import floorplan_multipliers
from .resources import Resources, check_fit
from .stage import Progress, run_stage, silent

__all__ = ["Implementation", "TimingMissed", "implement", "keep_copies", "place_and_route", "run_synthesis", "synthesize"]

_NAME = "macaw"
_STATISTICS = f"{_NAME}.stat.json"
_SYNTHESIS_PASSES = 55
"""Numbered passes of Yosys' synthesis scripts, about."""


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """A placed and routed design.

    Attributes
    ----------
    board : str
    seed : int
    missed : mapping of int to int
        Seeds that were tried before and missed the clock, with the frequency in Hz that each achieved.
    clock_hz : int
        The clock that was asked for.
    fmax_hz : int
        The clock that domain ``sync`` achieves.
    netlist, resources : Resources
        After synthesis, and after placement.
    versions : dict
        Of the tools.
    seconds : dict
        Of the stages synthesis, place and route, bitstream.
    bitstream : Path or None
        None out of context, and while timing is missed.
    """

    board: str
    seed: int
    clock_hz: int
    fmax_hz: int
    netlist: Resources
    resources: Resources
    versions: dict[str, str]
    seconds: dict[str, float]
    bitstream: Path | None
    missed: Mapping[int, int] = field(default_factory=dict)

    @property
    def timing_met(self) -> bool:
        """Whether the design runs at ``clock_hz``."""
        return self.fmax_hz >= self.clock_hz

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; of the bitstream only its name."""
        return {
            "board": self.board,
            "seed": self.seed,
            "clock_hz": self.clock_hz,
            "fmax_hz": self.fmax_hz,
            "missed": {str(seed): fmax_hz for seed, fmax_hz in self.missed.items()},
            "netlist": self.netlist.to_dict(),
            "resources": self.resources.to_dict(),
            "versions": self.versions,
            "seconds": {stage: round(value, 1) for stage, value in self.seconds.items()},
            "bitstream": self.bitstream.name if self.bitstream else None,
        }


class TimingMissed(CheckFailed):
    """The design is too slow for its clock; ``implementation`` has the best seed's figures, without a bitstream."""

    def __init__(self, implementation: Implementation) -> None:
        self.implementation = implementation
        tried = len(implementation.missed)
        best = f"achieved with seed {implementation.seed}" + (f", the best of {tried}" if tried > 1 else "")
        # Another clock is another netlist, which is placed anew: some room for that.
        clock = max(1, int(implementation.fmax_hz * 0.95e-6))
        super().__init__(
            f"Timing missed: {implementation.clock_hz / 1e6:.4g} MHz wanted, {implementation.fmax_hz / 1e6:.4g} MHz "
            f"{best}; choose a lower --clock, as --clock {clock}, another --seed, or a smaller --array."
        )


def keep_copies(family: Family) -> str:
    """Yosys commands before synthesis: registers whose signal has the attribute ``keep`` are not merged.

    Yosys keeps such a signal's name but merges its register with an equal one, which joins the parts of a high fan-out
    again. Only where room is cheaper than speed.
    """
    if family is not Family.ECP5:
        return ""
    return "proc\nselect -set copies a:keep %ci1 t:$dff %i\nsetattr -set keep 1 @copies"


def run_synthesis(folder: Path, script: str, family: Family, progress: Progress) -> tuple[Resources, float]:
    """Run the Yosys script ``script`` in ``folder``, which must write ``macaw.stat.json``; cells and seconds.

    Raises CheckFailed if Yosys fails.
    """
    done = 0.0

    def observe(line: str) -> None:
        nonlocal done
        found = re.match(r"2\.(\d+)\. Executing (\w+)", line)
        if found:
            done = max(done, min(0.99, int(found.group(1)) / _SYNTHESIS_PASSES))
            progress("synthesis", done, found.group(2).lower().replace("_", " "))

    progress("synthesis", 0.0, "reading")
    seconds = run_stage(find_tool("yosys"), ["-q", "-l", f"{_NAME}.ys.log", script], folder, f"{_NAME}.ys.log", observe)
    statistics = json.loads((folder / _STATISTICS).read_text())
    cells = statistics["design"]["num_cells_by_type"]
    progress("synthesis", 1.0, "done")
    return Resources.from_netlist(cells, family), seconds


def _placement_observer(progress: Progress) -> Callable[[str], None]:
    """Turns nextpnr's log into progress of the stages placement and routing."""
    routing = False
    arcs = 0
    done = {"placement": 0.0, "routing": 0.0}

    def show(stage: str, fraction: float, text: str) -> None:
        done[stage] = max(done[stage], min(fraction, 0.99))
        progress(stage, done[stage], text)

    def observe(line: str) -> None:
        nonlocal routing, arcs
        if not routing:
            if (
                re.match(r"Info: Routing( \d+ arcs)?\.", line)
                or "Setting up routing" in line
                or "Running router" in line
            ):
                routing = True
                progress("placement", 1.0, "done")
                show("routing", 0.0, "starting")
            elif "Packing" in line:
                show("placement", 0.02, "packing")
            elif found := re.search(r"at initial placer iter (\d+)", line):
                show("placement", 0.05 + 0.05 * int(found.group(1)), "initial placement")
            elif found := re.search(r"at iteration #(\d+), type", line):
                show("placement", 0.2 + 0.6 * (1 - 0.93 ** int(found.group(1))), f"iteration {found.group(1)}")
            elif found := re.search(r"at iteration #(\d+): temp", line):
                show("placement", 0.8 + 0.19 * (1 - 0.9 ** int(found.group(1))), f"refinement {found.group(1)}")
        if found := re.search(r"Routing (\d+) arcs", line):
            arcs = int(found.group(1))
        elif routing and (found := re.match(r"Info:\s+\d+ \|.*\|.*\|\s*(\d+)\|", line)):
            remaining = int(found.group(1))
            show("routing", 1 - remaining / arcs if arcs else 0.5, f"{remaining} connections left")
        elif found := re.search(r"iter=(\d+) wires=\d+ overused=(\d+)", line):
            show("routing", 1 - 0.8 ** int(found.group(1)), f"{found.group(2)} wires overused")

    return observe


def place_and_route(
    folder: Path, board: Board | Device, arguments: list[str], *, seed: int, clock_hz: int, netlist: Resources,
    progress: Progress,
) -> tuple[int, Resources, float]:  # fmt: skip
    """Run nextpnr on ``macaw.json``; Fmax in Hz, resources and seconds.

    Raises CheckFailed if the design does not fit or nextpnr fails.
    """
    check_fit(netlist, board)
    if board.family is Family.ECP5:
        trim_carry_ends(folder / f"{_NAME}.json")
        floorplan_multipliers(folder / f"{_NAME}.json", board)
    flow = flow_of(board)
    tool = find_tool(flow.nextpnr)
    log = f"{_NAME}.pnr.log"
    report_path = folder / f"{_NAME}.report.json"
    report_path.unlink(missing_ok=True)
    try:
        seconds = run_stage(
            tool,
            [
                "--quiet", "--log", log, *board.nextpnr_arguments, "--json", f"{_NAME}.json", "--seed", str(seed),
                "--report", report_path.name, "--timing-allow-fail",
                *flow.router, *arguments,
            ],
            folder, log, _placement_observer(progress),
        )  # fmt: skip
    except CheckFailed as error:
        _explain_overuse(folder / log, board, error)
        raise
    report = json.loads(report_path.read_text())
    progress("routing", 1.0, "done")
    clocks = list(report["fmax"].values())
    if not clocks:
        raise CheckFailed(f"nextpnr reports no clock; see {folder / log}.")
    sync = min(clocks, key=lambda clock: (abs(clock["constraint"] - clock_hz / 1e6), clock["achieved"]))
    return round(sync["achieved"] * 1e6), Resources.from_report(report["utilization"], netlist), seconds


def _explain_overuse(log: Path, board: Board | Device, error: CheckFailed) -> None:
    """Raise CheckFailed in one sentence if the log shows a resource used more than it is there."""
    text = log.read_text(errors="replace") if log.exists() else ""
    short = [
        f"{used} of {available} {name}"
        for name, used, available in re.findall(r"Info:\s+(\w+):\s*(\d+)/\s*(\d+)\s+\d+%", text)
        if int(used) > int(available)
    ]
    if short:
        raise CheckFailed(
            f"The design does not fit the {board.title}: it needs {'; '.join(short)}. Choose fewer lanes or smaller "
            f"buffers; see {log}."
        ) from error


def _later_try(progress: Progress, seed: int, missed: Mapping[int, int]) -> Progress:
    """Stages of another seed: they stand beside those before."""
    last = list(missed)[-1]

    def report(stage: str, fraction: float, text: str) -> None:
        progress(f"{stage}, seed {seed}", fraction, f"{text}; seed {last} reached {missed[last] / 1e6:.1f} MHz")

    return report


def synthesize(
    top: Any, board: Board, folder: Path, *, clock_hz: int, progress: Progress
) -> tuple[Resources, list[str], float]:
    """Write a board's top level and its constraints into ``folder``, which must exist, and synthesize it there.

    Returns the cells of the netlist, nextpnr's arguments for :func:`place_and_route`, and seconds. Raises as
    :func:`implement`.
    """
    flow = flow_of(board)
    plan = board.platform().build(
        top, name=_NAME, do_build=False, emit_src=False, synth_opts=flow.synthesis_options,
        script_after_read=keep_copies(board.family),
        script_after_synth=f"tee -q -o {_STATISTICS} stat -json\n{flow.netlist_command}",
    )  # fmt: skip
    plan.extract(str(folder))
    netlist, seconds = run_synthesis(folder, f"{_NAME}.ys", board.family, progress)
    arguments = [*flow.pins, *flow.routed, *(["--freq", f"{clock_hz / 1e6:g}"] if flow.targets_clock else [])]
    return netlist, arguments, seconds


def implement(
    top: Any, board: Board, directory: Path, *, seeds: Sequence[int] = (1,), clock_hz: int, progress: Progress = silent
) -> Implementation:
    """Synthesize, place, route and pack a board's top level, with the first of the seeds that meets the clock.

    Parameters
    ----------
    top : Elaboratable
        As :class:`~macaw.boards.top.BoardTop`.
    board : Board
    directory : Path
        Receives all files; made if missing. ``macaw.bit`` (ECP5), ``macaw.bin`` (iCE40) or ``macaw.fs`` (Gowin) appears
        last and complete, or not at all; one from before is removed first.
    seeds : sequence of int
        Of the placement, tried in this order. The same design, seed and tools give the same bitstream.
    clock_hz : int
        The clock that domain ``sync`` must reach.
    progress : Progress
        Called in the stages synthesis, placement, routing, bitstream.

    Raises
    ------
    CheckFailed
        The design does not fit (with resource and numbers), or a tool failed (with the last lines of its log).
    TimingMissed
        Placed and routed with each seed, but too slow.
    UserError
        A tool is missing.
    """
    folder = Path(directory).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    flow = flow_of(board)
    bitstream = folder / f"{_NAME}.{flow.suffix}"
    partial = folder / f"{bitstream.name}.partial"
    summary = folder / f"{_NAME}.implementation.json"
    for path in (bitstream, partial, summary):
        path.unlink(missing_ok=True)
    seconds = {}
    netlist, arguments, seconds["synthesis"] = synthesize(top, board, folder, clock_hz=clock_hz, progress=progress)
    missed: dict[int, int] = {}
    tries: dict[int, dict[str, Any]] = {}
    seconds["place and route"] = 0.0
    for seed in seeds:
        begun = _later_try(progress, seed, missed) if missed else progress
        fmax_hz, resources, duration = place_and_route(
            folder, board, arguments, seed=seed, clock_hz=clock_hz, netlist=netlist, progress=begun
        )
        seconds["place and route"] += duration
        tries[seed] = {"seed": seed, "fmax_hz": fmax_hz, "resources": resources}
        if fmax_hz >= clock_hz:
            break
        missed[seed] = fmax_hz
    packer = find_tool(flow.packer)
    versions = {name: find_tool(name).version for name in ("yosys", flow.nextpnr)}
    figures: dict[str, Any] = {
        "board": board.name, "clock_hz": clock_hz, "netlist": netlist, "versions": versions, "seconds": seconds,
        "missed": missed,
    }  # fmt: skip
    if fmax_hz < clock_hz:
        best = max(missed, key=lambda tried: missed[tried])
        raise TimingMissed(Implementation(**figures, **tries[best], bitstream=None))
    figures |= tries[seed]
    progress("bitstream", 0.0, "packing")
    names = [partial.name if name == "BITSTREAM" else name for name in flow.pack]
    try:
        seconds["bitstream"] = run_stage(packer, names, folder, f"{_NAME}.pack.log")
        implementation = Implementation(**figures, bitstream=bitstream)
        summary.write_text(json.dumps(implementation.to_dict(), indent=2) + "\n")
        partial.rename(bitstream)
    finally:
        partial.unlink(missing_ok=True)
    progress("bitstream", 1.0, "done")
    return implementation
