"""Coverage of the core: `python -m macaw.scripts.coverage --help`.

Random networks are scored without simulation (sim/functional_coverage.py), those engines are chosen that together cover most
(scripts/coverage_choice.py), and for what they leave networks are directed (sim/directed_trials.py). They are simulated against golden
model and cycle model. A bin counts when its network was found equal. The same runs count lines and port bits of the RTL
(sim/rtl_coverage.py). What was simulated is kept in a folder: an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from ..boards.accelerator import Accelerator, Images
from ..compiler.program import assemble
from ..compiler.requantize import requantize
from ..hw.control.register_map import CoreError, Region, Register, StatusBit, region_address
from ..hw.emit import verilog
from ..hw.engine import Engine
from ..hw.errors import CheckFailed, UserError
from ..sim.core_simulation import CoreSimulation
from ..sim.directed_trials import DIRECTED_ENGINES
from ..sim.functional_coverage import POINTS
from ..sim.rtl_coverage import read_coverage
from ..sim.trial import Trial
from .console import CONSOLE, run_command, stages
from .coverage_choice import EVERY, KINDS, Candidate, candidate, choose_engines, directed
from .marked_section import write_section
from .random_networks import RECORD, run_trial

__all__ = ["Exclusion", "load_exclusions", "main", "summary"]

EXCLUSIONS = Path("tests", "coverage.toml")
RESULTS = Path("docs", "figures", "coverage.json")
PAGE = Path("docs", "verification.md")
SECTION = "coverage"
"""Name of the section of the page."""

FUNCTIONAL, TOGGLES = 0.95, 0.90
"""What is to be reached: of the functional bins, of the bits of block ports."""

_MOST_LISTED = 8


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """What is not to be counted: ``kind`` is "functional" or "toggle", ``pattern`` has wildcards; and why."""

    kind: str
    pattern: str
    reason: str


def load_exclusions(path: Path) -> list[Exclusion]:
    """The exclusions of a file. Raises UserError if it is not there, or has a mistake."""
    try:
        rows = [Exclusion(**row) for row in tomllib.loads(path.read_text())["exclusion"]]
    except FileNotFoundError as error:
        raise UserError(f"There is no {path} here: run it from the root of a checkout.") from error
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path} is no list of exclusions: {error}.") from error
    for row in rows:
        if row.kind not in ("functional", "toggle") or not row.reason:
            raise UserError(f"The exclusion {row.pattern} of {path} needs a kind, functional or toggle, and a reason.")
    return rows


def _refusals(core: CoreSimulation, trial: Trial) -> None:
    """What networks do not do: programs that are none, runs that are given up, a limit that is not reached; then the network
    again. Raises CheckFailed if something else happens than should."""
    config, plan = trial.config, trial.plan
    program = assemble(config, plan, requantize(plan.graph, config))
    engine = Accelerator(core, config, program.maps, wait=lambda: core.wait(5_000_000))
    engine.load(Images(program.program, program.taps, program.weights))

    def register(name: Register) -> int:
        return region_address(Region.REGISTERS, name.value)

    def status() -> int:
        return int(core.read(register(Register.STATUS), 1)[0])

    first = config.header_words
    for word, value, error in (
        (0, int(program.program[0]) ^ 1, CoreError.FOREIGN_PROGRAM),
        (first, int(program.program[first]) | 3, CoreError.ILLEGAL_OPERATION),
    ):
        core.write(region_address(Region.PROGRAM, word), [value])
        with suppress(CheckFailed, UserError):
            engine.run()
        core.write(region_address(Region.PROGRAM, word), [int(program.program[word])])
        if status() >> StatusBit.ERROR & 0xFF != error:
            raise CheckFailed(f"A program with a wrong word {word} has the status {status():#010x}, not {error.name}.")
    for cycles in (3, 30, 300):
        core.write(register(Register.CONTROL), [1])
        with suppress(CheckFailed):
            core.wait(cycles)
        engine.give_up()
        if status():
            raise CheckFailed(f"A run that was given up leaves the status {status():#010x}.")
    core.write(register(Register.LIMIT), [0xFFFF])
    core.write(register(Register.CONTROL), [1])
    core.wait(5_000_000)
    if not status() >> StatusBit.DONE & 1:
        raise CheckFailed(f"A run with a limit of more layers than there are ends with the status {status():#010x}.")
    run_trial(core, trial)


def _simulate(chosen: Candidate, work: Path) -> dict[str, Any]:
    """Simulates the candidate's networks, or takes what is kept of the same. Raises CheckFailed at the first difference."""
    text = verilog(Engine(chosen.trials[0].config), name="core")
    key = hashlib.sha256(f"{text} {len(chosen.trials)} {sorted(chosen.hits)}".encode()).hexdigest()
    kept = work / f"{chosen.name}.json"
    if kept.is_file() and (found := json.loads(kept.read_text())).get("key") == key:
        return dict(found)
    with tempfile.TemporaryDirectory(prefix="coverage-") as folder:
        source, data = Path(folder, "core.v"), Path(folder, "core.dat")
        source.write_text(text)
        cycles = 0
        with CoreSimulation(source, Path(folder), coverage=data) as core:
            for trial in chosen.trials:
                try:
                    cycles += run_trial(core, trial).cycles
                except CheckFailed as error:
                    raise CheckFailed(f"Networks of {chosen.kind}, seed {chosen.seed}: {error}") from error
            _refusals(core, chosen.trials[0])
        rtl = read_coverage(data, text)
    found = {
        "key": key, "kind": chosen.kind, "seed": chosen.seed, "networks": len(chosen.trials), "cycles": cycles,
        "engine": str(chosen.trials[0].config), "hits": sorted(chosen.hits), **{k: dict(v) for k, v in vars(rtl).items()},
    }  # fmt: skip
    temporary = work / f".{kept.name}"
    temporary.write_text(json.dumps(found) + "\n")
    os.replace(temporary, kept)
    return found


def _ratio(done: int, total: int) -> float:
    return done / total if total else 1.0


def _reason(exclusions: Sequence[Exclusion], kind: str, key: str) -> str:
    """Why a bin, bit or line is not counted; empty if it is."""
    return next((row.reason for row in exclusions if row.kind == kind and fnmatch.fnmatchcase(key, row.pattern)), "")


def _rtl(runs: Sequence[Mapping[str, Any]], exclusions: Sequence[Exclusion]) -> list[dict[str, Any]]:
    """A row for each block."""
    seen: dict[str, bool] = {}
    for run in runs:
        for key, done in run["toggles"].items():
            seen[key] = seen.get(key, False) or done
    rows = []
    for block in sorted({name for run in runs for name in run["lines"] | run["instances"]}):
        bits = {key: done for key, done in seen.items() if key.startswith(f"{block}: ")}
        missing = sorted(key for key, done in bits.items() if not done)
        excluded = [key for key in missing if _reason(exclusions, "toggle", key)]
        row: dict[str, Any] = {
            "block": block, "toggles": [len(bits) - len(missing), len(bits) - len(excluded)], "excluded": len(excluded),
            "missing": [key.partition(": ")[2] for key in missing if key not in excluded],
        }  # fmt: skip
        for name in ("instances", "lines"):
            pairs = [run[name].get(block, (0, 0)) for run in runs]
            row[name] = [sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)]
        rows.append(row)
    return rows


def _total(rows: Sequence[Mapping[str, Any]], name: str) -> list[int]:
    return [sum(row[name][0] for row in rows), sum(row[name][1] for row in rows)]


def summary(
    runs: Sequence[Mapping[str, Any]], exclusions: Sequence[Exclusion], tried: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """What was covered: plain values, for JSON. ``tried``: rows of the random networks that were tried, whose bins count, too."""
    hits = {tuple(hit) for run in (*runs, *tried) for hit in run["hits"]}
    points: list[dict[str, Any]] = []
    for point in POINTS:
        reasons = {name: _reason(exclusions, "functional", f"{point.name}: {name}") for name in point.bins}
        counted = [name for name in point.bins if (point.name, name) in hits or not reasons[name]]
        missing = [name for name in counted if (point.name, name) not in hits]
        points.append({
            "name": point.name, "about": point.about, "total": len(counted), "done": len(counted) - len(missing), "missing": missing,
            "excluded": {name: reasons[name] for name in point.bins if name not in counted},
        })  # fmt: skip
    blocks = _rtl(runs, exclusions)
    return {
        "runs": [{name: run[name] for name in ("kind", "seed", "networks", "cycles", "engine")} for run in runs],
        "points": points,
        "blocks": blocks,
        "totals": {
            "functional": [sum(row["done"] for row in points), sum(row["total"] for row in points)],
            "toggles": _total(blocks, "toggles"),
            "instances": _total(blocks, "instances"),
            "lines": _total(blocks, "lines"),
            "excluded": [sum(len(row["excluded"]) for row in points), sum(row["excluded"] for row in blocks)],
        },
    }  # fmt: skip


def _share(pair: Sequence[int]) -> str:
    return f"{100 * _ratio(*pair):.1f} %"


def _listed(names: Sequence[str]) -> str:
    """The names, or how many there are."""
    return "; ".join(names) if len(names) <= _MOST_LISTED else f"{len(names)} ({RESULTS})"


def section(found: Mapping[str, Any]) -> str:
    """The part of docs/verification.md."""
    totals, runs = found["totals"], found["runs"]
    networks, cycles = sum(run["networks"] for run in runs), sum(run["cycles"] for run in runs)
    rows = [
        ("functional bins", totals["functional"], f"{100 * FUNCTIONAL:.0f} %", totals["excluded"][0]),
        ("bits of block ports, both edges, in some instance", totals["toggles"], f"{100 * TOGGLES:.0f} %", totals["excluded"][1]),
        ("the same in every instance of every engine, nothing excluded", totals["instances"], "", 0),
        ("lines and branches of the Verilog, in every instance of every engine", totals["lines"], "", 0),
    ]
    lines = [
        f"{networks} networks on {len(runs)} engine{'s' if len(runs) > 1 else ''}, {cycles:,} cycles of their programs.",
        "",
        "| | Covered | Share | To be reached | Excluded |",
        "|---|---:|---:|---:|---:|",
        *(f"| {name} | {done:,} of {total:,} | {_share((done, total))} | {goal} | {out:,} |" for name, (done, total), goal, out in rows),
        "",
        "| Point | Bins | Missing |",
        "|---|---:|---|",
        *(f"| {row['name']} | {row['done']} of {row['total']} | {_listed(row['missing'])} |" for row in found["points"]),
        "",
        "| Block | Port bits | Lines |",
        "|---|---:|---:|",
        *(
            f"| `{row['block']}` | {_share(row['toggles'])} | {_share(row['lines']) if row['lines'][1] else ''} |"
            for row in found["blocks"]
        ),
    ]  # fmt: skip
    return "\n".join(lines)


def page(found: Mapping[str, Any]) -> str:
    """The HTML page."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = resources.files("macaw.scripts").joinpath("coverage.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(found=found, share=_share, functional=FUNCTIONAL, toggles=TOGGLES)


def _candidates(
    count: int, networks: int, work: Path, progress: Callable[[float, str], None]
) -> Iterator[Candidate]:
    for seed in range(1, count + 1):
        for kind in KINDS:
            progress((seed - 1) / count, f"{kind}, seed {seed}")
            yield candidate(kind, seed, networks, work)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="coverage", description="Functional, line and toggle coverage of the core.")
    parser.add_argument("--candidates", type=int, default=12, metavar="N", help="seeds of each kind that are scored")
    parser.add_argument("--engines", type=int, default=4, metavar="N", help="the most of them whose engines are simulated")
    parser.add_argument("--networks", type=int, default=24, metavar="N", help="on each engine")
    parser.add_argument("--draws", type=int, default=800, metavar="N", help="networks drawn for what is left, on each directed engine")
    parser.add_argument("--work", type=Path, default=Path("build", "coverage"), metavar="DIR", help="what was simulated is kept here")
    parser.add_argument("-o", "--output", type=Path, default=Path("build", "coverage.html"), metavar="FILE", help="the HTML page")
    parser.add_argument("--record", action="store_true", help="write data file and section of the documentation")
    arguments = parser.parse_args(argv)

    def command() -> None:
        exclusions = load_exclusions(EXCLUSIONS)
        arguments.work.mkdir(parents=True, exist_ok=True)
        with stages() as progress:
            scored = list(_candidates(
                arguments.candidates, arguments.networks, arguments.work, lambda part, text: progress("score", part, text)
            ))  # fmt: skip
            chosen = choose_engines(scored, EVERY, arguments.engines)
            for name in DIRECTED_ENGINES:
                progress("direct", len(chosen) / (len(chosen) + 1), name)
                left = EVERY.difference(*(item.hits for item in chosen))
                chosen += [item for item in (directed(name, left, arguments.draws, arguments.work),) if item]
            runs = []
            for number, item in enumerate(chosen):
                progress("simulate", number / len(chosen), f"{item.name}: {item.trials[0].config}")
                runs.append(_simulate(item, arguments.work))
                CONSOLE.print(f"{item.name}: {item.trials[0].config}: equal, {runs[-1]['cycles']:,} cycles")
        tried = json.loads(RECORD.read_text()) if RECORD.is_file() else []
        found = summary(runs, exclusions, tried)
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(page(found))
        totals = found["totals"]
        CONSOLE.print(
            f"functional {_share(totals['functional'])}, port bits {_share(totals['toggles'])} "
            f"(every instance: {_share(totals['instances'])}), lines {_share(totals['lines'])}: {arguments.output}"
        )
        if arguments.record:
            RESULTS.write_text(json.dumps(found, indent=1) + "\n")
            write_section(PAGE, SECTION, section(found))
        if _ratio(*totals["functional"]) < FUNCTIONAL or _ratio(*totals["toggles"]) < TOGGLES:
            raise CheckFailed(
                f"Less is covered than {100 * FUNCTIONAL:.0f} % of the functional bins and {100 * TOGGLES:.0f} % of the bits of "
                "block ports."
            )

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
