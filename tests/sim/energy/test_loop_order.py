"""Access counts equal those of the loops themselves."""

from __future__ import annotations

import pytest

from macaw.sim.energy.loop_order import Accesses, kernel_first, pixel_first


def counted(order: str, groups: int, p: int, kernel: int) -> Accesses:
    """Run the loops over a row of groups and count; a weight or window that is held is not read again."""
    inputs = weights = reads = writes = 0
    positions = [(y, x) for y in range(kernel) for x in range(kernel)]
    if order == "pixel first":
        for position in positions:
            weights += 1
            for _ in range(groups):
                inputs += p
                reads += p if position != (0, 0) else 0
                writes += p
    else:
        for _ in range(groups):
            inputs += (
                len({(y, x + k) for y, x in positions for k in range(p)}) if order == "windows" else p * len(positions)
            )
            weights += len(positions)
            writes += p
    return Accesses(inputs, weights, reads, writes)


@pytest.mark.parametrize(("groups", "p", "kernel"), [(1, 1, 1), (4, 8, 3), (7, 3, 5), (2, 2, 7)])
def test_formulas(groups: int, p: int, kernel: int) -> None:
    assert pixel_first(groups, p, kernel) == counted("pixel first", groups, p, kernel)
    assert kernel_first(groups, p, kernel) == counted("windows", groups, p, kernel)
    assert kernel_first(groups, p, kernel, window_registers=False) == counted("plain", groups, p, kernel)
