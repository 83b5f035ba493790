"""Which serial port is the board's, where the user names none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serial.tools import list_ports

from ..hw.errors import UserError

__all__ = ["describe_port", "find_port"]


def _device(port: Any) -> tuple[str, str]:
    """What a USB device with several ports has in common."""
    return port.serial_number or "", (port.location or port.device).split(":")[0]


def _list(ports: Sequence[Any]) -> str:
    return ", ".join(
        f"{port.device} ({port.description}, {f'serial number {port.serial_number}' if port.serial_number else 'no serial number'})"
        for port in ports
    )


def find_port(title: str) -> str:
    """The last port of the only USB device with serial ports: of a bridge with two, the second is the board's line.

    Raises UserError if there is none, and if there are several devices, with their ports. ``title`` names the board.
    """
    ports = sorted((port for port in list_ports.comports() if port.vid is not None), key=lambda port: (port.location or "", port.device))
    if not ports:
        raise UserError(
            f"No USB serial port is here: plug the {title} in, with a cable that carries data, or name its port with --port "
            "(docs/bring-up.md)."
        )
    if len({_device(port) for port in ports}) > 1:
        raise UserError(f"Several boards or adapters are connected: choose one with --port out of {_list(ports)}.")
    return str(ports[-1].device)


def describe_port(name: str) -> str:
    """The port and what USB says of it."""
    for port in list_ports.comports():
        if port.device == name and port.vid is not None:
            return f"{name}, {port.description}, USB {port.vid:04x}:{port.pid:04x}"
    return name
