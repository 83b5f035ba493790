"""Where the array's slots go: of p x m x n products that each cycle could make, the useful ones, and what the others were lost to."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .cycles import LayerCycles

__all__ = ["LayerShape", "SlotUse", "slot_use"]


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """A layer as the array sees it.

    ``kind``: "product", "add" (residual addition), "copy" or "pool". ``rows`` x ``width`` pixels of ``outputs`` channels in
    ``groups`` output groups; each reads ``words`` input words at each of ``taps`` taps, of which ``fan_in`` channels
    belong to an output channel. ``grouped``: the others may belong to other output channels (depthwise and grouped
    convolution). ``products``: of one output element in the source model. ``packing``: channels in a byte of the input map;
    so many times p x m x n products could be made in a cycle.
    """

    kind: str
    rows: int
    width: int
    outputs: int
    groups: int
    words: int
    taps: int
    fan_in: int
    grouped: bool
    products: int
    packing: int = 1


@dataclass(frozen=True, kw_only=True)
class SlotUse:
    """Slots of the array in a layer, by use: the fields sum to p x m x n x cycles, times the channels in a byte.

    ``useful``: products of the source model. ``pixels``: places of the last pixel group of a row without a pixel.
    ``lanes``: output lanes without a channel. ``channels``: bytes of a word without a channel. ``other_groups``: channels
    that another output channel needs, but not this one. ``folding``: zeros that folding has added to a kernel. ``again``: rows
    that tiles make twice.
    ``additions``, ``copies``, ``pooling``: steps of layers without products of the model. ``parameters``, ``stalls``,
    ``drain``, ``overhead``, ``waiting``: as in :class:`LayerCycles`.
    """

    useful: int = 0
    pixels: int = 0
    lanes: int = 0
    channels: int = 0
    other_groups: int = 0
    folding: int = 0
    again: int = 0
    additions: int = 0
    copies: int = 0
    pooling: int = 0
    parameters: int = 0
    stalls: int = 0
    drain: int = 0
    overhead: int = 0
    waiting: int = 0

    @property
    def total(self) -> int:
        """All slots of the layer's cycles."""
        return sum(getattr(self, field.name) for field in fields(self))

    def shares(self) -> dict[str, float]:
        """Each part over the total, those of 0 left out."""
        total = self.total
        return {field.name: getattr(self, field.name) / total for field in fields(self) if getattr(self, field.name)}

    def reasons(self, shape: LayerShape, array: tuple[int, int, int]) -> list[str]:
        """What the lost slots were lost to, in words, the most first: parts of 4 % or more, or the greatest if there is
        none; nothing for a layer that uses 85 % or more."""
        p, m, n = array
        m *= shape.packing
        shares = self.shares()
        if shares.get("useful", 0.0) >= 0.85:
            return []
        if shape.rows == shape.width == 1:
            pixels = f"one pixel: {p - 1} of {p} places are empty"
        else:
            pixels = f"tail of p: {shape.width} columns are not a multiple of {p}"
        if shape.fan_in < m:
            channels = f"few input channels: {shape.fan_in} for {m} {'places' if shape.packing > 1 else 'bytes'} of a word"
        else:
            channels = f"tail of m: {shape.fan_in} input channels are not a multiple of {m}"
        texts = {
            "pixels": pixels,
            "lanes": f"tail of n: {shape.outputs} output channels are not a multiple of {n}",
            "channels": channels,
            "other_groups": f"depthwise: an output channel needs {shape.fan_in} of the {shape.words * m} channels that are read"
            if shape.fan_in == 1
            else f"grouped: an output channel needs {shape.fan_in} of the {shape.words * m} channels that are read",
            "folding": "zeros that fill up the folded kernel",
            "again": "rows that two tiles need are made twice",
            "additions": "residual addition: no products of the model",
            "copies": "a copy: no products of the model",
            "pooling": "no products: the pooling array works",
            "parameters": "requantization parameters are loaded",
            "stalls": "drain-bound: the array waits for the output stage",
            "drain": "the last pixels drain",
            "overhead": "short layer: fetch, decode and flush",
            "waiting": "waits for weights or maps from the external memory",
        }
        lost = sorted(((share, name) for name, share in shares.items() if name != "useful"), reverse=True)
        shown = [item for item in lost if item[0] >= 0.04] or lost[:1]
        return [f"{texts[name]} ({100 * share:.0f} %)" for share, name in shown]


def slot_use(shape: LayerShape, array: tuple[int, int, int], cycles: LayerCycles, made: int | None = None) -> SlotUse:
    """The slots of a layer. ``cycles``: of all its descriptors; their steps must be those of ``shape``. ``made``: rows that they
    make, where tiles make some twice, or leave out what nobody reads."""
    p, m, n = array
    m *= shape.packing
    slots = p * m * n
    waiting = {name: slots * getattr(cycles, name) for name in ("parameters", "stalls", "drain", "overhead", "waiting")}
    if shape.kind != "product":
        part = {"add": "additions", "copy": "copies", "pool": "pooling"}[shape.kind]
        return SlotUse(**waiting, **{part: slots * cycles.steps})
    row_groups = -(-shape.width // p)
    phases = shape.words * shape.taps
    made = shape.rows if made is None else made
    if cycles.steps != made * row_groups * shape.groups * phases:
        raise ValueError(f"a layer of {cycles.steps} steps is not {shape}")
    rows = min(shape.rows, made)
    pixels = rows * shape.width
    read = pixels * shape.outputs * shape.words * m * shape.taps  # slots of existing pixels and output channels
    needed = pixels * shape.outputs * shape.fan_in * shape.taps
    useful = pixels * shape.outputs * shape.products
    unneeded = "other_groups" if shape.grouped else "channels"
    return SlotUse(
        useful=useful,
        pixels=rows * (row_groups * p - shape.width) * shape.groups * phases * m * n,
        lanes=pixels * (shape.groups * n - shape.outputs) * phases * m,
        folding=needed - useful,
        again=(made - rows) * row_groups * shape.groups * phases * slots,
        **{unneeded: read - needed},
        **waiting,
    )
