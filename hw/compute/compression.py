"""The plan of a compressor tree: which bits are added where, in how many pipeline stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

__all__ = ["Cell", "Compression", "Function", "Segment", "Stage", "Term", "compress"]


@dataclass(frozen=True)
class Term:
    """A summand: ``sign * 2**column * values[k]``, with k the number that its input bits make, first bit lowest.

    Parameters
    ----------
    column : int, >= 0
    values : tuple of 2, 4 or 16 int
        0 or 1. With 16 values (four inputs) also 2, provided that of the four values with equal first and second input
        that with third and fourth input 0 is the least and 0 or 1, and the others at most 1 more.
    sign : 1 or -1
        -1 only with at most four values.
    """

    column: int
    values: tuple[int, ...]
    sign: int = 1

    def __post_init__(self) -> None:
        if len(self.values) not in (2, 4, 16) or self.sign not in (1, -1) or self.column < 0:
            raise ValueError(f"{self} is no term: 1, 2 or 4 inputs, sign 1 or -1, column 0 or more")
        for index, value in enumerate(self.values):
            least = self.values[index & 3] if len(self.values) == 16 else 0
            if value - least not in (0, 1) or least > 1:
                raise ValueError(f"{self} is no term: {value} for inputs {index:b} is more than a cell can add")
        if self.sign < 0 and len(self.values) == 16:
            raise ValueError(f"{self} is no term: with four inputs it cannot be subtracted")

    @property
    def inputs(self) -> int:
        """Input bits."""
        return len(self.values).bit_length() - 1


@dataclass(frozen=True)
class Function:
    """``values[k]`` of the bits ``sources``: indices into the tree's operands, or into the bits of the stage before."""

    values: tuple[int, ...]
    sources: tuple[int, ...] = ()

    @property
    def needs_room(self) -> bool:
        """Whether it cannot be a cell's second operand: two inputs, and 1 where both are 0."""
        return len(self.sources) == 2 and self.values[0] == 1

    @property
    def complement(self) -> Function:
        """1 minus it."""
        return Function(tuple(1 - value for value in self.values), self.sources)


@dataclass(frozen=True)
class Cell:
    """One column of a segment: a carry, plus one or two functions of up to two bits, or plus one of four."""

    operands: tuple[Function, ...]


@dataclass(frozen=True)
class Segment:
    """A short adder: cells in neighbouring columns from ``column`` on, with a bit as carry input.

    Its sum bits, and with ``carry`` the carry of the last cell, are bits of the next stage in this order.
    """

    column: int
    injected: Function | None
    cells: tuple[Cell, ...]
    carry: bool


@dataclass(frozen=True)
class Stage:
    """What happens in one clock cycle: the bits of ``segments`` in order, then those of ``passed``, are registered."""

    segments: tuple[Segment, ...]
    passed: tuple[Function, ...]

    @property
    def tables(self) -> int:
        """Look-up tables on an ECP5, where the carry of a segment leaves in the table that injects the next one's."""
        additions = sum(1 + len(segment.cells) for segment in self.segments)
        return additions + sum(function.values != (0, 1) for function in self.passed if function.sources)


@dataclass(frozen=True)
class Compression:
    """The plan. The bits of the last stage belong to the columns ``columns`` of the total; other columns are 0.

    Attributes
    ----------
    width : int
        Bits of the total, which is exact modulo ``2**width``.
    """

    width: int
    stages: tuple[Stage, ...]
    columns: tuple[int, ...]

    @property
    def latency(self) -> int:
        """Clock cycles."""
        return len(self.stages)

    @property
    def tables(self) -> int:
        """Look-up tables on an ECP5."""
        return sum(stage.tables for stage in self.stages)


@dataclass
class _Pool:
    """Bits of one stage that wait to be added: narrow ones (at most two inputs) and wide ones, by column."""

    narrow: list[list[Function]]
    wide: list[list[Function]] = field(default_factory=list)

    def take(self, column: int, *, roomy: bool) -> Function:
        """The next narrow bit; with ``roomy`` preferably one that needs room, else preferably one that does not."""
        bits = self.narrow[column]
        for index, function in enumerate(bits):
            if function.needs_room == roomy:
                return bits.pop(index)
        return bits.pop(0)


def _pair(bits: list[Function]) -> tuple[Function, Function]:
    """Sum and carry of two bits of one input each, as functions of both."""
    (f, g), sources = (bits[0].values, bits[1].values), bits[0].sources + bits[1].sources
    return (
        Function(tuple(f[i & 1] ^ g[i >> 1] for i in range(4)), sources),
        Function(tuple(f[i & 1] & g[i >> 1] for i in range(4)), sources),
    )


def _segment(pool: _Pool, start: int, width: int, eager: int) -> Segment:
    """Take the bits of one segment out of the pool."""
    injected = pool.take(start, roomy=True) if pool.narrow[start] else None
    cells: list[Cell] = []
    pending: list[Function] = []
    column = start
    while column < width:
        if not pending and pool.wide[column]:
            cells.append(Cell((pool.wide[column].pop(0),)))
            column += 1
            continue
        operands, pending = pending, []
        bits = pool.narrow[column]
        if not operands and len(bits) < 2:
            break
        following = len(pool.narrow[column + 1]) if column + 1 < width else width
        while len(operands) < 2 and bits:
            single = [bit for bit in bits if len(bit.sources) == 1]
            enough = len(bits) - 2 >= 1 - len(operands)
            if len(single) >= 2 and enough and following + len(pending) < 2 * eager and column + 1 < width:
                total, carry = _pair(single[:2])
                roomy = any(function.needs_room for function in [*operands, *pending])
                if not (roomy and (total.needs_room or carry.needs_room)):
                    for bit in single[:2]:
                        bits.remove(bit)
                    operands.append(total)
                    pending.append(carry)
                    continue
            if any(function.needs_room for function in operands) and all(bit.needs_room for bit in bits):
                break
            operands.append(pool.take(column, roomy=False))
        cells.append(Cell(tuple(sorted(operands, key=lambda function: not function.needs_room))))
        column += 1
    return Segment(start, injected, tuple(cells), column < width)


def _stage(pool: _Pool, width: int, eager: int) -> tuple[Stage, list[int]]:
    """One stage that adds what can be added with profit; and the columns of its bits."""
    segments: list[Segment] = []
    columns: list[int] = []
    for column in range(width):
        while len(pool.narrow[column]) >= 3 or any(max(f.values) > 1 for f in pool.wide[column]):
            segment = _segment(pool, column, width, eager)
            segments.append(segment)
            columns += range(column, column + len(segment.cells) + segment.carry)
    passed = []
    for column in range(width):
        for function in pool.narrow[column] + pool.wide[column]:
            passed.append(function)
            columns.append(column)
    return Stage(tuple(segments), tuple(passed)), columns


def _last(bits: list[tuple[int, Function]], constant: int, width: int) -> tuple[Stage, list[int]] | None:
    """The stage that leaves one bit a column, if a single segment can do that; and the columns of its bits."""
    columns: list[list[Function]] = [[] for _ in range(width)]
    for column, function in bits:
        columns[column].append(function)
    for column in range(width):
        if constant >> column & 1:
            columns[column].append(Function((1,)))
    start = next((column for column in range(width) if len(columns[column]) > 1), width)
    if any(len(function.sources) > 2 for column in columns for function in column):
        return None
    if any(len(columns[column]) > (3 if column == start else 2) for column in range(start, width)):
        return None
    passed = [(column, columns[column][0]) for column in range(start) if columns[column]]
    if start == width:
        return Stage((), tuple(function for _, function in passed)), [column for column, _ in passed]
    for functions in columns:
        functions.sort(key=lambda function: not function.needs_room)
    injected = columns[start].pop(0) if len(columns[start]) == 3 else None
    if any(sum(function.needs_room for function in column) > 1 for column in columns):
        return None
    segment = Segment(start, injected, tuple(Cell(tuple(columns[column])) for column in range(start, width)), False)
    return (
        Stage((segment,), tuple(function for _, function in passed)),
        [*range(start, width), *(column for column, _ in passed)],
    )


def _compress(terms: list[Term], constant: int, width: int, eager: int, early: bool) -> Compression:
    """The plan with one strategy.

    ``eager`` of 0 to 2: how few bits the next column may have for two bits to be added in one operand of a cell, which
    needs an operand of the next column's cell for their carry. ``early``: complements and constant behind the first stage
    instead of at the end.
    """
    bits: list[tuple[int, Function, int]] = []
    source = 0
    for term in terms:
        bits.append((term.column, Function(term.values, tuple(range(source, source + term.inputs))), term.sign))
        source += term.inputs
    bits = [bit for bit in bits if bit[0] < width]
    stages: list[Stage] = []
    while True:
        signs = {sign for _, _, sign in bits}
        flipped = [(column, function.complement if sign < 0 else function) for column, function, sign in bits]
        offset = (constant - sum(1 << column for column, _, sign in bits if sign < 0)) % (1 << width)
        last = _last(flipped, offset, width)
        if last is not None:
            stages.append(last[0])
            return Compression(width, tuple(stages), tuple(last[1]))
        settled = bool(stages) and max(sum(1 for bit in bits if bit[0] == column) for column in range(width)) <= 2
        settled = settled or (early and len(stages) == 1)
        if settled or (stages and len(signs) > 1):
            # From here on every bit is added; bits of a stage have one input, so a complement is free.
            bits, constant = [(column, function, 1) for column, function in flipped], offset
            signs = {1}
        if settled:
            bits += [(column, Function((1,)), 1) for column in range(width) if constant >> column & 1]
            constant = 0
        found: list[tuple[int, Function, int]] = []
        segments: list[Segment] = []
        passed: list[Function] = []
        places: list[tuple[int, int]] = []
        kept: list[tuple[int, int]] = []
        for sign in sorted(signs, reverse=True):
            pool = _Pool([[] for _ in range(width)], [[] for _ in range(width)])
            for column, function, its_sign in bits:
                if its_sign == sign:
                    (pool.wide if len(function.sources) > 2 else pool.narrow)[column].append(function)
            stage, columns = _stage(pool, width, eager)
            segments += stage.segments
            passed += stage.passed
            added = len(columns) - len(stage.passed)
            places += [(column, sign) for column in columns[:added]]
            kept += [(column, sign) for column in columns[added:]]
        for index, (column, sign) in enumerate(places + kept):
            found.append((column, Function((0, 1), (index,)), sign))
        stages.append(Stage(tuple(segments), tuple(passed)))
        bits = found


@cache
def compress(terms: tuple[Term, ...], constant: int, width: int) -> Compression:
    """The cheapest plan found for ``constant + sum(terms)`` modulo ``2**width``.

    Operands are numbered in the order of the terms and of their inputs.
    """
    if not terms or width < 1:
        raise ValueError("A compressor tree needs at least one term and one bit of result")
    plans = [_compress(list(terms), constant, width, eager, early) for eager in (0, 1, 2) for early in (False, True)]
    return min(plans, key=lambda plan: (plan.tables, len(plan.stages)))
