"""The window of a convolution or pooling in ONNX's attributes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .onnx_model import LARGEST_MAP
from .problem import Refusal
from .window import Window

__all__ = ["padded", "window", "without_margins"]


def without_margins(elements: NDArray[np.int64]) -> tuple[NDArray[np.int64], tuple[int, int, int, int]]:
    """A map's places (1, C, H, W) or (1, C, L) without the rows and columns of padding around them, and how many these are:
    top, left, bottom, right."""
    if elements.ndim not in (3, 4) or elements.size == 0 or elements.min() >= 0 or elements.max() < 0:
        return elements, (0, 0, 0, 0)
    filled = elements >= 0
    before, after, core = [0, 0], [0, 0], elements
    for axis in range(2, elements.ndim):
        present = np.flatnonzero(filled.any(axis=tuple(k for k in range(elements.ndim) if k != axis)))
        first, last = int(present[0]), int(present[-1])
        before[axis - elements.ndim], after[axis - elements.ndim] = first, elements.shape[axis] - 1 - last
        core = core.take(range(first, last + 1), axis)
    return core, (before[0], before[1], after[0], after[1])


def padded(frame: Window, margins: tuple[int, int, int, int]) -> Window:
    """A window that pads by ``margins`` (top, left, bottom, right) in addition."""
    spans = [step * (extent - 1) + 1 for step, extent in zip(frame.dilation, frame.kernel, strict=True)] * 2
    padding = (
        frame.padding[0] + margins[0],
        frame.padding[1] + margins[1],
        frame.padding[2] + margins[2],
        frame.padding[3] + margins[3],
    )
    if any(pad >= span for pad, span, margin in zip(padding, spans, margins, strict=True) if margin):
        raise Refusal("the Pad in front of it is as large as the kernel", "use a padding smaller than the kernel")
    return replace(frame, padding=padding)


def window(attributes: Mapping[str, Any], kernel: tuple[int, ...], extents: tuple[int, ...]) -> Window:
    """The window of a node over ``extents`` (the spatial shape, one or two numbers), with auto_pad resolved.

    Raises Refusal for inconsistent attributes, an empty output or a ceil_mode that changes the output.
    """
    rank = len(extents)
    if rank not in (1, 2) or len(kernel) != rank:
        raise Refusal(
            f"a window of {len(kernel)} dimensions over {rank} spatial dimensions",
            "only one- and two-dimensional windows are supported",
        )
    stride = _extents(attributes, "strides", rank)
    dilation = _extents(attributes, "dilations", rank)
    if any(extent < 1 for extent in (*kernel, *stride, *dilation)):
        raise Refusal("kernel, strides and dilations must be positive", "correct the model")
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    before, after = _padding(attributes, extents, stride, spans)
    if any(pad < 0 for pad in (*before, *after)):
        raise Refusal("padding must not be negative", "crop the map before the network")
    if any(pad >= span for pad, span in zip((*before, *after), spans * 2, strict=True)):
        raise Refusal("the padding is as large as the kernel", "use a padding smaller than the kernel")
    if math.prod(extent + b + a for extent, b, a in zip(extents, before, after, strict=True)) > LARGEST_MAP:
        raise Refusal("the padded map is too large", f"use maps of at most {LARGEST_MAP} elements")
    room = [extent + b + a - span for extent, b, a, span in zip(extents, before, after, spans, strict=True)]
    if any(free < 0 for free in room):
        raise Refusal("the kernel is larger than the padded map", "use a smaller kernel or more padding")
    if attributes.get("ceil_mode", 0) and any(free % step for free, step in zip(room, stride, strict=True)):
        raise Refusal("ceil_mode=1 adds an incomplete window at the border", "use ceil_mode=0 or pad explicitly")
    if rank == 1:
        return Window((1, kernel[0]), (1, stride[0]), (0, before[0], 0, after[0]), (1, dilation[0]))
    return Window(
        (kernel[0], kernel[1]),
        (stride[0], stride[1]),
        (before[0], before[1], after[0], after[1]),
        (dilation[0], dilation[1]),
    )


def _extents(attributes: Mapping[str, Any], name: str, rank: int) -> tuple[int, ...]:
    values = tuple(int(value) for value in attributes.get(name, ())) or (1,) * rank
    if len(values) != rank:
        raise Refusal(f"{name} has {len(values)} numbers for {rank} spatial dimensions", "correct the model")
    return values


def _padding(
    attributes: Mapping[str, Any], extents: tuple[int, ...], stride: tuple[int, ...], spans: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rank = len(extents)
    mode = attributes.get("auto_pad", b"NOTSET")
    mode = mode.decode() if isinstance(mode, bytes) else mode
    if mode == "VALID":
        return (0,) * rank, (0,) * rank
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        outputs = [-(-extent // step) for extent, step in zip(extents, stride, strict=True)]
        total = [
            max((output - 1) * step + span - extent, 0)
            for output, step, span, extent in zip(outputs, stride, spans, extents, strict=True)
        ]
        small = tuple(pad // 2 for pad in total)
        large = tuple(pad - pad // 2 for pad in total)
        return (small, large) if mode == "SAME_UPPER" else (large, small)
    if mode != "NOTSET":
        raise Refusal(f"auto_pad={mode} is unknown", "use NOTSET with explicit pads")
    pads = tuple(int(value) for value in attributes.get("pads", ())) or (0,) * (2 * rank)
    if len(pads) != 2 * rank:
        raise Refusal(f"pads has {len(pads)} numbers for {rank} spatial dimensions", "correct the model")
    return pads[:rank], pads[rank:]
