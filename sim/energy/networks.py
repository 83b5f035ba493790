"""The convolution layers of the networks that the accelerator paper counts in its Table 2 (8-bit data, shapes only)."""

from __future__ import annotations

from .layer_shape import LayerShape

__all__ = ["NETWORKS"]


def _chain(size: int, layers: list[tuple[int, int]]) -> tuple[LayerShape, ...]:
    """3x3 convolutions of (outputs, pool) on a square image of three channels."""
    shapes = []
    channels = 3
    for index, (outputs, pool) in enumerate(layers, 1):
        shapes.append(
            LayerShape(name=f"conv{index}", rows=size, columns=size, channels=channels, outputs=outputs, pool=pool)
        )
        size, channels = size // pool, outputs
    return tuple(shapes)


def _resnet_34() -> tuple[LayerShape, ...]:
    """The main path, without the three 1x1 projections, as Table 2 counts."""
    first = LayerShape(
        name="conv1",
        rows=224,
        columns=224,
        channels=3,
        outputs=64,
        kernel=(7, 7),
        stride=(2, 2),
        padding=(3, 3),
        pool=2,
    )
    shapes = [first]
    size, channels = 56, 64
    for outputs, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for index in range(2 * blocks):
            stride = 2 if index == 0 and outputs != 64 else 1
            shapes.append(
                LayerShape(
                    name=f"conv{len(shapes) + 1}",
                    rows=size,
                    columns=size,
                    channels=channels,
                    outputs=outputs,
                    stride=(stride, stride),
                )
            )
            size, channels = size // stride, outputs
    return tuple(shapes)


def _alexnet() -> tuple[LayerShape, ...]:
    """The original network with two groups in layers 2, 4 and 5; its overlapping 3x3 pools are counted by their stride."""
    return (
        LayerShape(
            name="conv1",
            rows=227,
            columns=227,
            channels=3,
            outputs=96,
            kernel=(11, 11),
            stride=(4, 4),
            padding=(0, 0),
            pool=2,
        ),
        LayerShape(
            name="conv2", rows=27, columns=27, channels=96, outputs=256, kernel=(5, 5), padding=(2, 2), groups=2, pool=2
        ),
        LayerShape(name="conv3", rows=13, columns=13, channels=256, outputs=384),
        LayerShape(name="conv4", rows=13, columns=13, channels=384, outputs=384, groups=2),
        LayerShape(name="conv5", rows=13, columns=13, channels=384, outputs=256, groups=2, pool=2),
    )


_VGG_11 = [(64, 2), (128, 2), (256, 1), (256, 2), (512, 1), (512, 2), (512, 1), (512, 2)]
_VGG_16 = [(64, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 1), (256, 2)] + [(512, 1), (512, 1), (512, 2)] * 2

NETWORKS: dict[str, tuple[LayerShape, ...]] = {
    "alexnet": _alexnet(),
    "vgg-11": _chain(224, _VGG_11),
    "vgg-16": _chain(224, _VGG_16),
    "resnet-34": _resnet_34(),
}
"""Layers in order, by the network's name."""
