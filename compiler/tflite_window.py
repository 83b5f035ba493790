"""The window of a TensorFlow Lite operator: SAME and VALID padding, and a PAD operator in front of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .problem import Refusal
from .window import Window

__all__ = ["averaging_window", "tflite_window"]

EXTENT_LIMIT = 4096


def tflite_window(
    options: Mapping[str, Any],
    kernel: tuple[int, int],
    extents: tuple[int, int],
    explicit: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> Window:
    """The window over a map of ``extents`` (rows, columns) that a PAD enlarges by ``explicit`` (top, left, bottom, right).

    SAME: ceil(extent / stride) outputs, the smaller half of the padding in front. VALID: no padding.
    Raises Refusal for inconsistent options or an empty output.
    """
    stride = (int(options.get("StrideH", 1)), int(options.get("StrideW", 1)))
    dilation = (int(options.get("DilationHFactor", 1)), int(options.get("DilationWFactor", 1)))
    mode = options.get("Padding", "SAME")
    if any(extent < 1 for extent in (*kernel, *stride, *dilation)):
        raise Refusal("kernel, strides and dilations must be positive", "correct the model")
    if max(*kernel, *stride, *dilation) > EXTENT_LIMIT:
        raise Refusal(f"kernel, strides or dilations exceed {EXTENT_LIMIT}", "use smaller windows")
    if mode not in ("SAME", "VALID"):
        raise Refusal(f"its padding {mode} is unknown", "use SAME or VALID")
    before, after = [], []
    for axis in range(2):
        span = dilation[axis] * (kernel[axis] - 1) + 1
        extent = extents[axis] + explicit[axis] + explicit[axis + 2]
        total = 0
        if mode == "SAME":
            total = max((-(-extent // stride[axis]) - 1) * stride[axis] + span - extent, 0)
        before.append(explicit[axis] + total // 2)
        after.append(explicit[axis + 2] + total - total // 2)
        if extent + total < span:
            raise Refusal("the kernel is larger than the padded map", "use a smaller kernel or SAME padding")
        if max(before[axis], after[axis]) >= span:
            raise Refusal("the padding is as large as the kernel", "use a padding smaller than the kernel")
    return Window(kernel, stride, (before[0], before[1], after[0], after[1]), dilation)


def averaging_window(window: Window, extents: tuple[int, int]) -> Window:
    """The window of an average pool, which divides by the number of inputs inside the map.

    Where there is one output only, that part of the window. Raises Refusal if the number differs between outputs.
    """
    kernel, padding, stride = list(window.kernel), list(window.padding), list(window.stride)
    for axis, outputs in enumerate(window.output_extent(*extents)):
        if not padding[axis] and not padding[axis + 2]:
            continue
        if outputs > 1:
            raise Refusal(
                "its windows leave the map (SAME padding), so the divisor changes at the border",
                "use VALID padding, or a window and stride that divide the map",
            )
        kernel[axis] = min(kernel[axis] - padding[axis], extents[axis])
        padding[axis] = padding[axis + 2] = 0
        stride[axis] = 1
    return Window((kernel[0], kernel[1]), (stride[0], stride[1]), (0, 0, 0, 0))
