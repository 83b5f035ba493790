"""How an engine on a board meets its host and its weights."""

from __future__ import annotations

from dataclasses import dataclass

from ..hw.bus.spi_slave import SpiSlave
from ..hw.config import EngineConfig
from ..hw.errors import UserError
from .board import Board
from .device import Device
from .flash_place import FlashPlace
from .harness import LINKS

__all__ = ["WEIGHTS", "Attachment"]

WEIGHTS = ("host", "bitstream", "flash", "external")
"""Where the contents of the weight, tap and program memories come from: written by the host, part of the bitstream, or
loaded from the board's flash at power-up. External: written by the host, weights that do not fit on the chip into the board's
external memory, from which they are streamed; maps that do not fit lie there, too."""


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """Link and source of the weights.

    Attributes
    ----------
    link : one of LINKS
    baud : int or None
        Rate of the serial line; None: the board's default.
    weights : one of WEIGHTS

    Raises UserError for another link or source.
    """

    link: str = "uart"
    baud: int | None = None
    weights: str = "host"

    def __post_init__(self) -> None:
        for option, value, known in (("--link", self.link, LINKS), ("--weights", self.weights, WEIGHTS)):
            if value not in known:
                raise UserError(f"{option} is one of {', '.join(known)}, not {value!r}.")
        if self.link != "uart" and self.baud is not None:
            raise UserError("--baud is the rate of a serial line; an SPI link has the clock of its master.")

    def check(self, board: Board | Device) -> None:
        """Raises UserError if ``board`` has no pins for the link, or no flash to load from."""
        if isinstance(board, Device):
            if self != Attachment():
                raise UserError("--link, --baud and --weights are a board's: --device builds the core alone, without pins.")
            return
        if self.link == "spi" and board.spi is None:
            raise UserError(f"The {board.title} has no free pins for an SPI link: leave out --link.")
        if self.weights == "flash" and board.flash is None:
            raise UserError(
                f"An engine on the {board.title} cannot be loaded from its flash: its pins are in use, or no tool is known "
                "that writes to a place behind the bitstream; leave out --weights."
            )

        if self.weights == "external" and board.sdram is None:
            raise UserError(f"The {board.title} has no external memory that Macaw streams weights from: leave out --weights.")

    def rate(self, board: Board | Device, clock_hz: int) -> tuple[int, int]:
        """Clock cycles of a bit, and bits a second: those of the serial line, or the most that an SPI master may have."""
        if self.link == "spi":
            return SpiSlave.cycles_a_bit, clock_hz // SpiSlave.cycles_a_bit
        return board.divisor(clock_hz, self.baud), board.baud(clock_hz, self.baud)

    def flash_place(self, board: Board | Device) -> FlashPlace | None:
        """Where the engine's image lies in the board's flash; None if it is not loaded from there."""
        return board.flash if self.weights == "flash" and isinstance(board, Board) else None

    def check_engine(self, board: Board | Device, config: EngineConfig) -> None:
        """Raises UserError if the engine's memories cannot be filled so."""
        if self.weights == "bitstream" and config.weight_memory == "spram":
            other = "--weights flash loads them at power-up" if isinstance(board, Board) and board.flash else "leave out --weights"
            raise UserError(
                f"The weights of an engine on the {board.title} lie in single-port RAM, which a bitstream cannot fill: {other}."
            )
        if self.weights in ("bitstream", "flash") and config.streaming:
            raise UserError("The weights of this engine lie in an external memory, which only the host fills: leave out --weights.")
