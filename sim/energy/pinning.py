"""Which layers keep their weights on chip from one inference to the next: the accelerator paper's search.

Source: its two procedures of section 4; as printed they compare with an undefined variable and do not show the budget shrink.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .layer_shape import LayerShape

__all__ = ["pinned_layers"]


def pinned_layers(
    layers: Sequence[LayerShape], budget: int, cost: Callable[[frozenset[int]], float | None], *, limit: int = 24
) -> frozenset[int]:
    """The set of layers (indices) with the smallest ``cost`` whose weights fit ``budget`` bytes together.

    A binary tree, one level a layer: "pinned" is tried only where the budget is left (capacity pruning). ``cost`` of a set is
    None where it leaves no way to run the others. Of equally good sets the first found wins, that is the one that pins earlier layers.

    Raises ValueError for more than ``limit`` layers (the tree has up to 2**layers leaves), or if no set has a cost.
    """
    if len(layers) > limit:
        raise ValueError(
            f"The search has up to 2**{len(layers)} cases; it takes at most {limit} layers. Give the pinned layers by hand."
        )

    def search(index: int, left: int, chosen: tuple[int, ...]) -> tuple[float, tuple[int, ...]] | None:
        if index == len(layers):
            value = cost(frozenset(chosen))
            return None if value is None else (value, chosen)
        need = layers[index].weight_bytes
        found = search(index + 1, left - need, (*chosen, index)) if need <= left else None
        without = search(index + 1, left, chosen)
        if found is None or (without is not None and without[0] < found[0]):
            return without
        return found

    best = search(0, budget, ())
    if best is None:
        raise ValueError("No choice of pinned layers lets the network run in these buffers.")
    return frozenset(best[1])
