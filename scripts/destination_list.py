"""What there is to build for: the tables of boards and of parts."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from ..boards.catalog import BOARDS
from ..boards.device import PARTS, Capacity
from ..boards.figures import BoardFigures, load_figures
from ..hw.errors import UserError
from .console import CONSOLE

__all__ = ["show_boards", "show_parts"]

_LEFT = ("board", "device", "part", "Fmax", "network")


def _table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading in _LEFT else "right", no_wrap=True)
    return table


def _capacity(capacity: Capacity) -> tuple[str, str, str, str]:
    """Cells of the columns LUTs, registers, RAM, DSP."""
    return f"{capacity.luts:,}", f"{capacity.registers:,}", f"{capacity.memory_bytes // 1024:,} KiB", f"{capacity.multipliers}"


def _print(table: Table) -> None:
    """As wide as it is, also in a pipe or a narrow window: a part number cut short is of no use."""
    natural = Measurement.get(CONSOLE, CONSOLE.options.update(max_width=1000), table).maximum
    Console(file=CONSOLE.file, width=max(natural, CONSOLE.width)).print(table)


def _command(network: str, board: str) -> str:
    """What most figures were made with."""
    return f"python -m macaw.scripts.board_figures {network}.onnx --board {board} --seeds 1,2,3"


def _measured(figures: Mapping[str, BoardFigures]) -> Table:
    table = _table("board", "network", "array", "inferences/s", "LUTs", "registers", "block RAMs", "SPRAMs", "DSP")
    for row in figures.values():
        table.add_row(
            row.board,
            row.network,
            ",".join(map(str, row.array)),
            f"{row.inferences_per_second:,.0f}",
            *(f"{used:,}" for used in (row.luts, row.registers, row.block_rams, row.single_port_rams, row.multipliers)),
        )
    return table


def show_boards() -> None:
    """Every board, with its capacity and figures."""
    figures = load_figures()
    table = _table("board", "device", "LUTs", "registers", "RAM", "DSP", "clock", "serial", "Fmax")
    for board in BOARDS.values():
        clock_hz = board.clock_hz()
        row = figures.get(board.name)
        table.add_row(
            board.name,
            board.part,
            *_capacity(board.capacity),
            f"{clock_hz / 1e6:g} MHz",
            f"{board.baud(clock_hz) / 1e6:g} Mbaud",
            f"{row.median_fmax_hz / 1e6:.1f} MHz" if row else f"not built here ({board.vendor})" if board.vendor else "not yet",
        )
    _print(table)
    _print(_measured(figures))
    CONSOLE.print(f"Measured with `{_command('NETWORK', 'BOARD')}`; Fmax is the median of the seeds.")
    for row in figures.values():
        if row.command != _command(row.network, row.board):
            CONSOLE.print(f"{row.board}: {row.command}")
    CONSOLE.print("Boards of Vivado and Quartus get a project that has not been built here.")
    if any(not board.vendor and board.name not in figures for board in BOARDS.values()):
        CONSOLE.print("Boards without figures have not been measured yet.")
    CONSOLE.print("Parts without a board: macaw build --device PART; `macaw parts` lists them.")


def show_parts(beginning: str = "") -> None:
    """Parts whose number starts with ``beginning``, in any case. Raises UserError if there are none."""
    devices = [device for part, device in PARTS.items() if part.upper().startswith(beginning.upper())]
    if not devices:
        raise UserError(f"No part begins with {beginning[:40]!r}; `macaw parts` lists all {len(PARTS)}.")
    table = _table("part", "LUTs", "registers", "RAM", "DSP", "clock")
    for device in devices:
        table.add_row(device.part, *_capacity(device.capacity), f"{device.default_clock_hz / 1e6:g} MHz")
    _print(table)
    CONSOLE.print("DSP: multiplier cells. The clock is what --device aims at without --clock.")
