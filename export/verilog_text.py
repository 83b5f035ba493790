"""The Verilog of an export: plain identifiers, a header, one file or one for each module."""

from __future__ import annotations

import json
import re

from ..hw.emit import verilog
from ..hw.primitives.target import Target
from .design import BUSES, Design
from .top import Top

__all__ = ["header", "modules", "plain_names", "split"]

_ESCAPED = re.compile(r"\\(\S+) ")
_PLAIN = re.compile(r"[A-Za-z_][\w$]*")
_NOTES = re.compile(r"^ *\(\* (?:unused_bits|enum_base_type|enum_value_\w+) = .*\*\)\n", re.MULTILINE)
_MODULE = re.compile(r"^module (\w+).*?^endmodule$", re.MULTILINE | re.DOTALL)


def plain_names(text: str) -> str:
    """Verilog without escaped identifiers: each becomes a plain one that is used nowhere else in ``text``."""
    used = set(_PLAIN.findall(_ESCAPED.sub(" ", text)))
    names: dict[str, str] = {}
    for escaped in dict.fromkeys(_ESCAPED.findall(text)):
        base = re.sub(r"\W+", "_", escaped, flags=re.ASCII)
        if base == escaped:  # a keyword
            base += "_"
        if base[0].isdigit():
            base = f"n{base}"
        plain, number = base, 1
        while plain in used:
            number += 1
            plain = f"{base}_{number}"
        used.add(plain)
        names[escaped] = plain
    return _ESCAPED.sub(lambda match: names[match[1]], text)


def header(design: Design) -> str:
    """Comment lines: what made the file, and with which configuration. The same for the same design."""
    cells = "no vendor cells" if design.family is None else f"cells of the family {design.family.value}"
    parameters = json.dumps(design.config.to_dict(), sort_keys=True)
    return "\n".join(
        (
            f"// {design.name}: accelerator of the network {design.model}, {design.cycles:,} cycles an inference.",
            f"// Made by Macaw {design.version}: {BUSES[design.bus]}; {cells}.",
            f"// Engine {design.config}, identity {design.config.identity:016x}:",
            *(f"//   {part}" for part in _folded(parameters)),
            "",
        )
    )


def _folded(text: str, width: int = 110) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines


def modules(design: Design) -> tuple[dict[str, str], Top]:
    """Text of each module by its name, the top module first; and the top."""
    top = Top(design)
    platform = None if design.family is None else Target(design.family)
    text = plain_names(_NOTES.sub("", verilog(top, name=design.name, ports=top.signals, platform=platform)))
    found = {match[1]: match[0] + "\n" for match in _MODULE.finditer(text)}
    first = {design.name: found.pop(design.name)}
    return first | found, top


def split(texts: dict[str, str], comment: str, *, each: bool) -> dict[str, str]:
    """File names and contents: all modules in one file named by the first, or a file for each."""
    if each:
        return {f"{name}.v": f"{comment}\n{text}" for name, text in texts.items()}
    return {f"{next(iter(texts))}.v": comment + "".join(f"\n{text}" for text in texts.values())}
