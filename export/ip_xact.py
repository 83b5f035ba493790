"""The IP-XACT description of an export with AXI, as Vivado reads it (IEEE 1685-2009) and as IEEE 1685-2014."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

from .design import Design
from .register_table import RegisterEntry, region_entries, register_entries
from .top import Port, Top

__all__ = ["EDITIONS", "component_xml"]

EDITIONS = {
    2009: ("spirit", "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"),
    2014: ("ipxact", "http://www.accellera.org/XMLSchema/IPXACT/1685-2014"),
}
"""Prefix and name space of each edition of the standard. Vivado, up to 2025.1 at least, reads and writes that of 2009."""

_XILINX = "http://www.xilinx.com"
_FAMILIES = (
    "artix7", "kintex7", "spartan7", "virtex7", "zynq", "artixuplus", "kintexu", "kintexuplus", "virtexu", "virtexuplus",
    "zynquplus",
)  # fmt: skip
_MEMORY_MAP = "s_axi"
_ADDRESS_SPACE = "m_axi"
_REGISTERS_ELSEWHERE = ("registers", "stream")


class _Writer:
    """Adds elements of one edition."""

    def __init__(self, edition: int) -> None:
        self.edition = edition
        self.prefix, self.space = EDITIONS[edition]

    def tag(self, name: str) -> str:
        """A name in the edition's name space."""
        return f"{{{self.space}}}{name}"

    def add(self, parent: ET.Element, kind: str, content: object = None, **attributes: str) -> ET.Element:
        """A child with text; attributes are qualified in 2009 and are not in 2014."""
        qualified = {self.tag(key) if self.edition == 2009 else key: value for key, value in attributes.items()}
        child = ET.SubElement(parent, self.tag(kind), qualified)
        child.text = None if content is None else str(content)
        return child

    def reference(self, parent: ET.Element, name: str, library: str, kind: str) -> None:
        """A bus or an abstraction of Xilinx's."""
        self.add(parent, name, vendor="xilinx.com", library=library, name=kind, version="1.0")

    def parameters(self, parent: ET.Element, values: dict[str, str], owner: str) -> None:
        """Parameters of an interface."""
        if values:
            group = self.add(parent, "parameters")
            for name, value in values.items():
                parameter = self.add(group, "parameter")
                self.add(parameter, "name", name)
                key = "id" if self.edition == 2009 else ""
                attributes = {key: f"BUSIFPARAM_VALUE.{owner}.{name}".upper()} if key else {}
                self.add(parameter, "value", value, **attributes)


def _interface(
    write: _Writer, parent: ET.Element, name: str, kind: tuple[str, str], ports: dict[str, str], *, master: bool = False,
    memory_map: str = "", parameters: dict[str, str] | None = None,
) -> None:  # fmt: skip
    """A bus interface: ``ports`` maps the standard's names to ours; ``memory_map`` is a master's address space."""
    library, bus = kind
    interface = write.add(parent, "busInterface")
    write.add(interface, "name", name)
    write.reference(interface, "busType", library, bus)
    mapped = interface
    if write.edition == 2014:
        mapped = write.add(write.add(interface, "abstractionTypes"), "abstractionType")
        write.reference(mapped, "abstractionRef", library, f"{bus}_rtl")
    else:
        write.reference(interface, "abstractionType", library, f"{bus}_rtl")

    def side() -> None:
        mode = write.add(interface, "master" if master else "slave")
        if memory_map and master:
            write.add(mode, "addressSpaceRef", addressSpaceRef=memory_map)
        elif memory_map:
            write.add(mode, "memoryMapRef", memoryMapRef=memory_map)

    if write.edition == 2009:
        side()
    maps = write.add(mapped, "portMaps")
    for logical, physical in ports.items():
        entry = write.add(maps, "portMap")
        write.add(write.add(entry, "logicalPort"), "name", logical)
        write.add(write.add(entry, "physicalPort"), "name", physical)
    if write.edition == 2014:
        side()
    write.parameters(interface, parameters or {}, name)


def _register(write: _Writer, block: ET.Element, entry: RegisterEntry) -> None:
    register = write.add(block, "register")
    write.add(register, "name", entry.name)
    if entry.words > 1:
        write.add(register, "dim", entry.words)
    write.add(register, "addressOffset", hex(entry.address))
    write.add(register, "size", 32)
    write.add(register, "volatile", "true")
    write.add(register, "access", entry.access)
    for name, offset, width in entry.fields or (("value", 0, 32),):
        field = write.add(register, "field")
        write.add(field, "name", name)
        write.add(field, "bitOffset", offset)
        write.add(field, "bitWidth", width)
        write.add(field, "volatile", "true")
        write.add(field, "access", entry.access)


def _memory_map(write: _Writer, parent: ET.Element, design: Design) -> None:
    """One block, so that a tool assigns one range; memories are arrays of registers in it."""
    memory = write.add(write.add(parent, "memoryMaps"), "memoryMap")
    write.add(memory, "name", _MEMORY_MAP)
    block = write.add(memory, "addressBlock")
    write.add(block, "name", "window")
    write.add(block, "baseAddress", 0)
    write.add(block, "range", 1 << design.window.byte_bits)
    write.add(block, "width", 32)
    write.add(block, "usage", "register")
    memories = [entry for entry in region_entries(design) if entry.name not in _REGISTERS_ELSEWHERE]
    for entry in sorted([*register_entries(design), *memories], key=lambda entry: entry.address):
        _register(write, block, entry)


def _port(write: _Writer, parent: ET.Element, port: Port) -> None:
    element = write.add(parent, "port")
    write.add(element, "name", port.name)
    wire = write.add(element, "wire")
    write.add(wire, "direction", "out" if port.output else "in")
    if port.width > 1:
        holder = wire if write.edition == 2009 else write.add(wire, "vectors")
        vector = write.add(holder, "vector")
        write.add(vector, "left", port.width - 1)
        write.add(vector, "right", 0)


def _model(write: _Writer, parent: ET.Element, design: Design, top: Top) -> None:
    model = write.add(parent, "model")
    views = write.add(model, "views")
    purposes = {"synthesis": ":vivado.xilinx.com:synthesis", "simulation": ":vivado.xilinx.com:simulation"}
    for purpose, identifier in purposes.items():
        view = write.add(views, "view")
        write.add(view, "name", f"xilinx_anylanguage{purpose}" if write.edition == 2009 else purpose)
        write.add(view, "envIdentifier", identifier)
        if write.edition == 2009:
            write.add(view, "language", "Verilog")
            write.add(view, "modelName", design.name)
            write.add(write.add(view, "fileSetRef"), "localName", "rtl")
        else:
            write.add(view, "componentInstantiationRef", "verilog")
    if write.edition == 2014:
        instance = write.add(write.add(model, "instantiations"), "componentInstantiation")
        write.add(instance, "name", "verilog")
        write.add(instance, "language", "Verilog")
        write.add(instance, "moduleName", design.name)
        write.add(write.add(instance, "fileSetRef"), "localName", "rtl")
    ports = write.add(model, "ports")
    for port in top.ports:
        _port(write, ports, port)


def _vivado_extensions(write: _Writer, parent: ET.Element, design: Design) -> None:
    """What Vivado's catalogue wants to know."""

    def add(owner: ET.Element, name: str, content: str | None = None, **attributes: str) -> Any:
        child = ET.SubElement(owner, f"{{{_XILINX}}}{name}", {f"{{{_XILINX}}}{key}": value for key, value in attributes.items()})
        child.text = content
        return child

    core = add(write.add(parent, "vendorExtensions"), "coreExtensions")
    families = add(core, "supportedFamilies")
    for family in _FAMILIES:
        add(families, "family", family, lifeCycle="Production")
    add(add(core, "taxonomies"), "taxonomy", "/UserIP")
    add(core, "displayName", f"{design.name} (Macaw)")
    add(core, "coreRevision", "1")


def component_xml(design: Design, top: Top, verilog: Sequence[str], edition: int) -> str:
    """Text of the component's description in an edition of :data:`EDITIONS`."""
    write = _Writer(edition)
    ET.register_namespace(write.prefix, write.space)
    ET.register_namespace("xilinx", _XILINX)
    root = ET.Element(write.tag("component"))
    version = ".".join(design.version.split(".")[:2])
    for name, value in (("vendor", "macaw"), ("library", "accelerator"), ("name", design.name), ("version", version)):
        write.add(root, name, value)
    interfaces = write.add(root, "busInterfaces")
    groups = {
        name: {port.logical.upper(): port.name for port in top.ports if port.interface == name}
        for name in ("s_axi", "s_axis", "m_axis", *((_ADDRESS_SPACE,) if design.config.streaming else ()))
    }
    _interface(
        write, interfaces, "s_axi", ("interface", "aximm"), groups["s_axi"], memory_map=_MEMORY_MAP,
        parameters={"PROTOCOL": "AXI4LITE"},
    )  # fmt: skip
    _interface(write, interfaces, "s_axis", ("interface", "axis"), groups["s_axis"])
    _interface(write, interfaces, "m_axis", ("interface", "axis"), groups["m_axis"], master=True)
    if design.config.streaming:
        _interface(
            write, interfaces, _ADDRESS_SPACE, ("interface", "aximm"), groups[_ADDRESS_SPACE], master=True,
            memory_map=_ADDRESS_SPACE, parameters={"PROTOCOL": "AXI4"},
        )  # fmt: skip
    _interface(
        write, interfaces, top.clock, ("signal", "clock"), {"CLK": top.clock},
        parameters={"ASSOCIATED_BUSIF": ":".join(groups), "ASSOCIATED_RESET": top.reset},
    )  # fmt: skip
    _interface(write, interfaces, top.reset, ("signal", "reset"), {"RST": top.reset}, parameters={"POLARITY": "ACTIVE_LOW"})
    if design.config.streaming:
        space = write.add(write.add(root, "addressSpaces"), "addressSpace")
        write.add(space, "name", _ADDRESS_SPACE)
        write.add(space, "range", 1 << 32)
        write.add(space, "width", 32)
    _memory_map(write, root, design)
    _model(write, root, design, top)
    files = write.add(write.add(root, "fileSets"), "fileSet")
    write.add(files, "name", "rtl")
    for name in verilog:
        file = write.add(files, "file")
        write.add(file, "name", name)
        write.add(file, "fileType", "verilogSource")
    write.add(root, "description", f"{design.description}. Made by Macaw {design.version}.")
    if edition == 2009:
        _vivado_extensions(write, root, design)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
