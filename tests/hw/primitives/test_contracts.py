# amaranth: UnusedElaboratable=no
"""Contracts of the primitives' portable forms against plain Python, their rules, and the choice of tiles."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from macaw.hw.errors import UserError
from macaw.hw.primitives.block_ram import BlockRam
from macaw.hw.primitives.dp16kd import DP16KD_MODES
from macaw.hw.primitives.multiplier import Multiplier
from macaw.hw.primitives.product_bank import ProductBank
from macaw.hw.primitives.sb_ram40 import SB_RAM40_MODES
from macaw.hw.primitives.single_port_ram import SinglePortRam
from macaw.hw.primitives.target import Family, Target, family_of
from macaw.hw.primitives.tiling import tiling


def _simulate(component: Any, testbench: Any) -> None:
    simulator = Simulator(component)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(("width", "depth", "granularity"), [(16, 10, 8), (7, 33, 7), (12, 64, 4)])
def test_block_ram(width: int, depth: int, granularity: int) -> None:
    component = BlockRam(width, depth, granularity)
    generator = random.Random(1)
    words = [0] * depth
    expected: list[int | None] = [None, None]

    async def bench(ctx: Any) -> None:
        shown: int | None = None
        for _ in range(500):
            read, write = generator.randrange(depth), generator.randrange(depth)
            data, enables = generator.getrandbits(width), generator.getrandbits(width // granularity)
            reading = generator.random() < 0.7
            if reading:
                shown = None if read == write and enables else words[read]
            expected.append(shown)
            ctx.set(component.read_address, read)
            ctx.set(component.read_enable, reading)
            ctx.set(component.write_address, write)
            ctx.set(component.write_data, data)
            ctx.set(component.write_enable, enables)
            for i in range(width // granularity):
                if enables >> i & 1:
                    mask = (1 << granularity) - 1 << i * granularity
                    words[write] = words[write] & ~mask | data & mask
            await ctx.tick()
            if expected[-component.latency] is not None:
                assert ctx.get(component.read_data) == expected[-component.latency]

    _simulate(component, bench)


def test_single_port_ram() -> None:
    component = SinglePortRam(40, 50)
    generator = random.Random(2)
    words = [0] * 50
    expected: list[int | None] = [None, None]

    async def bench(ctx: Any) -> None:
        shown: int | None = None
        for _ in range(500):
            address, data = generator.randrange(50), generator.getrandbits(40)
            enable, enables = generator.random() < 0.7, generator.choice([0, 0, generator.getrandbits(3)])
            if enable:
                shown = None if enables else words[address]
                for i in range(3):
                    if enables >> i & 1:
                        mask = 0xFFFF << 16 * i
                        words[address] = words[address] & ~mask | data & mask
            expected.append(shown)
            ctx.set(component.address, address)
            ctx.set(component.enable, enable)
            ctx.set(component.write_enable, enables)
            ctx.set(component.write_data, data)
            await ctx.tick()
            if expected[-component.latency] is not None:
                assert ctx.get(component.read_data) == expected[-component.latency]

    _simulate(component, bench)


@pytest.mark.parametrize("style", ["dsp", "logic"])
@pytest.mark.parametrize("latency", [2, 3])
def test_product_bank(latency: int, style: str) -> None:
    component = ProductBank(2, latency, style)
    edges = [-128, -127, -1, 0, 1, 126, 127]
    generator = random.Random(3)
    pairs = [(a, b) for a in edges for b in edges]
    pairs += [(generator.randrange(-128, 128), generator.randrange(-128, 128)) for _ in range(1000)]

    async def bench(ctx: Any) -> None:
        for number, (a, b) in enumerate(pairs):
            for lane, (x, y) in enumerate(((a, b), (b, -1 - a))):
                ctx.set(component.a[lane], x)
                ctx.set(component.b[lane], y)
            await ctx.tick()
            if number >= latency - 1:
                a, b = pairs[number - latency + 1]
                assert ctx.get(component.product[0]) == a * b
                assert ctx.get(component.product[1]) == b * (-1 - a)

    _simulate(component, bench)


@pytest.mark.parametrize(("width_a", "width_b"), [(32, 34), (24, 27), (18, 18), (19, 17), (18, 17), (1, 1), (35, 34)])
def test_multiplier(width_a: int, width_b: int) -> None:
    component = Multiplier(width_a, width_b)
    generator = random.Random(4)
    low, high = -(1 << width_a - 1), (1 << width_a - 1) - 1
    pairs = [(a, b) for a in (low, -1, 0, high) for b in (0, 1, (1 << width_b) - 1)]
    pairs += [(generator.randint(low, high), generator.getrandbits(width_b)) for _ in range(500)]
    assert component.latency == 3 + (width_a > 18) + (width_b > 17)

    async def bench(ctx: Any) -> None:
        for number, (a, b) in enumerate(pairs):
            ctx.set(component.a, a)
            ctx.set(component.b, b)
            await ctx.tick()
            if number >= component.latency - 1:
                a, b = pairs[number - component.latency + 1]
                assert ctx.get(component.product) == a * b

    _simulate(component, bench)


@pytest.mark.parametrize(
    ("modes", "shape", "blocks", "mode"),
    [
        (DP16KD_MODES, (64, 512, 8), 2, 36),
        (DP16KD_MODES, (64, 1024, 8), 4, 18),
        (DP16KD_MODES, (64, 2048, 8), 8, 9),
        (DP16KD_MODES, (64, 4096, 8), 16, 4),
        (DP16KD_MODES, (72, 1024, 72), 4, 18),
        (DP16KD_MODES, (256, 512, 256), 8, 36),
        (DP16KD_MODES, (8, 16, 8), 1, 36),
        (SB_RAM40_MODES, (64, 256, 8), 4, 16),
        (SB_RAM40_MODES, (64, 512, 8), 8, 8),
        (SB_RAM40_MODES, (64, 1024, 8), 16, 4),
        (SB_RAM40_MODES, (20, 200, 5), 2, 16),
    ],
)
def test_tiling(modes: Any, shape: tuple[int, int, int], blocks: int, mode: int) -> None:
    tiles = tiling(modes, *shape)
    assert (tiles.blocks, tiles.mode, tiles.rows) == (blocks, mode, 1)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: BlockRam(0, 16), "width must be from 1 to 4096 bits, not 0"),
        (lambda: BlockRam(8, 1), "depth must be from 2 to 65536 words, not 1"),
        (lambda: BlockRam(8, 16, 3), "granularity must divide its width of 8 bits; 3 does not"),
        (lambda: SinglePortRam(0, 16), "width must be from 1 to 4096 bits, not 0"),
        (lambda: SinglePortRam(8, 70000), "depth must be from 2 to 65536 words, not 70000"),
        (lambda: ProductBank(0), "from 1 to 4096 products, not 0"),
        (lambda: ProductBank(4, 4), "latency must be 2 or 3 cycles, not 4"),
        (lambda: ProductBank(4, style="lut"), "style must be 'dsp' or 'logic', not 'lut'"),
        (lambda: Multiplier(36, 8), "signed operand has from 1 to 35 bits, not 36"),
        (lambda: Multiplier(8, 35), "unsigned operand has from 1 to 34 bits, not 35"),
    ],
)
def test_rules(make: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make()


def test_family_of() -> None:
    class Unknown:
        device = "ep4ce22"

    assert family_of(None) is Family.GENERIC
    assert family_of(Unknown()) is Family.GENERIC
    for family in Family:
        assert family_of(Target(family)) is family
    assert family_of(type("P", (), {"device": "LFE5U-85F", "family": "ecp5"})()) is Family.ECP5
    assert family_of(type("P", (), {"device": "iCE40UP5K"})()) is Family.ICE40UP
    assert family_of(type("P", (), {"device": "iCE40HX8K"})()) is Family.ICE40
    assert family_of(type("P", (), {"device": "xc7a35t"})()) is Family.XILINX
    assert family_of(type("P", (), {"device": "5CSEBA6"})()) is Family.INTEL
