"""The engine configuration: what the user or the compiler chooses, the rules it obeys, and every width derived from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from math import gcd
from typing import Any

from amaranth.utils import ceil_log2

from .errors import UserError
from .formats import FORMATS
from .products import PRODUCTS

__all__ = ["PROGRAM_FORMAT", "EngineConfig"]

PROGRAM_FORMAT = 3
"""Version of the program, tap and weight images; part of the identity hash."""


def _require(rule: bool, sentence: str) -> None:
    if not rule:
        raise UserError(sentence)


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """Parameters of one engine.

    Parameters
    ----------
    p : int, 1..64
        Pixels computed at once: banks of the feature buffer, width of a window.
    m : int, 1..64
        Bytes in a word: lanes of a dot product.
    n : int, 1..64
        Output channels computed at once: rows of a weight word, lanes of the output stage.
    depth : int, 1..64
        Pixel groups that share one weight fetch: entries in each half of the accumulation buffer.
    feature_depth : int, 2..65536
        Words in each of the p banks of the feature buffer (a word is m bytes).
    weight_depth : int, 2..65536
        Words of the weight buffer (a word is n rows of m bytes).
    program_depth : int, 4..4096
        32-bit words of the program memory.
    tap_depth : int, 2..4096
        Entries of the tap memory: one for each kernel position of each layer with its own geometry.
    extent_width : int, 3..12
        Bits of a row or column number; maps are at most ``2**extent_width - 1`` high and wide.
    group_width : int, 1..12
        Bits of a count of output groups or of words in a pixel, minus one.
    accumulator_width : int, 12..32
        Bits of an accumulator, two's complement. The compiler derives it from the weights' worst case.
    multiplier_width : int, 8..34
        Bits of the requantization multiplier, unsigned.
    shifts : tuple of 1 to 8 ints, ascending, 1..48
        The right shifts that a channel's requantization may choose from.
    nudge : int, 0..34
        0: outputs round the same way everywhere. b > 0: outputs up to a layer's pivot round down when the sum before the
        shift is less than ``2**b`` above the step (docs/numerics.md, TensorFlow Lite).
    requantizer_digit : int, 0 or 1..8
        0: a pipelined multiplier, one pixel a cycle. d > 0: a serial multiplier that takes d bits of the multiplier a
        cycle (small FPGAs).
    multiplier_latency : int, 2..3
        Cycles of a product: input register, output register, and with 3 a register of each dot product's own in front,
        for arrays that spread over a large device.
    logic_dots : int, 0..p * n
        How many of the p * n dot products are made of look-up tables instead of multiplier cells: those with the
        highest ``lane * p + pixel``. They compute the same in the same time.
    weight_memory : "block" or "spram"
        The memory that the weight buffer is made of. ``spram`` is the 16 Ki x 16 bit single-port RAM of iCE40 UP.
    prefetch : bool
        Whether the next layer's descriptor is fetched while a layer runs, into registers of its own.
    taps_in_program : bool
        Whether one memory holds program and taps, which takes fewer blocks where both are short: the taps lie at its upper
        end, from the last word down. Not with ``prefetch``, which reads the program while the taps are in use.
    pooling : bool
        Whether the engine contains the max-pooling array.
    part_pitch : int, 0..64
        Parts of concatenated maps begin at bytes of a word that are multiples of this; 0: at multiples of gcd(m, n).
    adding : bool
        Whether a tap can count 256-fold, which residual addition needs (compiler/layer_plan.py).
    products : tuple of names from hw/products.py
        The dot products that the array contains; a layer chooses one.
    output_formats : tuple of names from hw/formats.py
        The number formats in which a layer can write its map; n channels must fill whole bytes in each.
    wrapping : bool
        Whether a layer can write the low byte of its shifted sums instead of a clamped value.
    streaming : bool
        Whether weights are read from an external memory while the program runs (hw/external). Needs weights in block RAM.
    spilling : bool
        Whether rows of maps move between the feature buffer and that memory. Needs ``streaming``.
    """

    p: int
    m: int
    n: int
    depth: int = 1
    feature_depth: int = 1024
    weight_depth: int = 512
    program_depth: int = 512
    tap_depth: int = 256
    extent_width: int = 8
    group_width: int = 11
    accumulator_width: int = 24
    multiplier_width: int = 27
    shifts: tuple[int, ...] = (18, 24, 30, 36)
    nudge: int = 0
    requantizer_digit: int = 0
    multiplier_latency: int = 3
    logic_dots: int = 0
    weight_memory: str = "block"
    prefetch: bool = True
    taps_in_program: bool = False
    pooling: bool = True
    adding: bool = False
    part_pitch: int = 0
    products: tuple[str, ...] = ("int8xint8",)
    output_formats: tuple[str, ...] = ("int8",)
    wrapping: bool = False
    streaming: bool = False
    spilling: bool = False

    def __post_init__(self) -> None:
        ranges = {
            "p": (1, 64), "m": (1, 64), "n": (1, 64), "depth": (1, 64), "feature_depth": (2, 65536),
            "weight_depth": (2, 65536), "program_depth": (4, 4096), "tap_depth": (2, 4096), "extent_width": (3, 12), "group_width": (1, 12),
            "accumulator_width": (12, 32), "multiplier_width": (8, 34), "requantizer_digit": (0, 8),
            "nudge": (0, 34), "multiplier_latency": (2, 3), "part_pitch": (0, 64), "logic_dots": (0, 4096),
        }  # fmt: skip
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            _require(
                isinstance(value, int) and not isinstance(value, bool) and low <= value <= high,
                f"Engine parameter {name} must be an integer from {low} to {high}, not {value!r}.",
            )
        shifts = self.shifts
        _require(
            isinstance(shifts, tuple) and 1 <= len(shifts) <= 8 and all(isinstance(s, int) and 1 <= s <= 48 for s in shifts)
            and list(shifts) == sorted(set(shifts)),
            f"Engine parameter shifts must be one to eight different ascending integers from 1 to 48, not {shifts!r}.",
        )  # fmt: skip
        _require(
            self.weight_memory in ("block", "spram"),
            f"Engine parameter weight_memory must be 'block' or 'spram', not {self.weight_memory!r}.",
        )
        _require(
            self.logic_dots <= self.p * self.n,
            f"Engine parameter logic_dots must be at most p * n, here {self.p * self.n}, not {self.logic_dots}.",
        )
        for name, known in (("products", PRODUCTS), ("output_formats", FORMATS)):
            value = getattr(self, name)
            _require(
                isinstance(value, tuple) and bool(value) and len(set(value)) == len(value) and set(value) <= set(known),
                f"Engine parameter {name} must be one or more of {', '.join(known)}, each once, not {value!r}.",
            )
        for name in self.output_formats:
            width = FORMATS[name].width
            _require(
                self.n * width % 8 == 0,
                f"An engine with n = {self.n} cannot write {name} maps: n values of {width} bits must fill whole bytes, so n "
                f"must be a multiple of {8 // width}.",
            )
        _require(
            self.logic_dots == 0 or "int8xint8" in self.products,
            "Engine parameter logic_dots must be 0 in an engine without the product int8xint8.",
        )
        for name in ("prefetch", "taps_in_program", "pooling", "adding", "wrapping", "streaming", "spilling"):
            value = getattr(self, name)
            _require(isinstance(value, bool), f"Engine parameter {name} must be true or false, not {value!r}.")
        _require(
            not (self.prefetch and self.taps_in_program),
            "Engine parameter taps_in_program must be false in an engine with prefetch.",
        )
        _require(
            not (self.streaming and self.weight_memory == "spram"),
            "Engine parameter weight_memory must be 'block' in an engine with streaming: SPRAM cannot be read and written at once.",
        )
        _require(
            self.streaming or not self.spilling,
            "Engine parameter streaming must be true in an engine with spilling: one memory holds weights and maps.",
        )

    # Words and addresses

    @property
    def word_width(self) -> int:
        """Bits of a feature word."""
        return 8 * self.m

    @property
    def weight_width(self) -> int:
        """Bits of a weight word."""
        return 8 * self.m * self.n

    @property
    def bank_bits(self) -> int:
        """Bits of a bank number."""
        return ceil_log2(self.p)

    @property
    def feature_bits(self) -> int:
        """Bits of an address inside a bank."""
        return ceil_log2(self.feature_depth)

    @property
    def weight_bits(self) -> int:
        """Bits of a weight word's address."""
        return ceil_log2(self.weight_depth)

    @property
    def tap_bits(self) -> int:
        """Bits of a tap's address."""
        return ceil_log2(self.tap_depth)

    @property
    def program_bits(self) -> int:
        """Bits of a program word's address."""
        return ceil_log2(self.program_depth)

    @property
    def shared_depth(self) -> int:
        """Words of a memory that holds program and taps: a power of two, so that counting down needs no subtraction."""
        return 1 << ceil_log2(self.program_depth + self.tap_depth)

    @property
    def slot_bits(self) -> int:
        """Bits of a slot number of the accumulation buffer."""
        return ceil_log2(self.depth)

    @property
    def feature_segments(self) -> int:
        """32-bit host words in a feature word."""
        return -(-self.word_width // 32)

    @property
    def header_words(self) -> int:
        """Words in front of the program's first descriptor: the identity and, with streaming, tag and bursts of the stream."""
        return 4 if self.streaming else 2

    @property
    def weight_segments(self) -> int:
        """32-bit host words in a weight word."""
        return -(-self.weight_width // 32)

    # Requantization

    @property
    def offset_width(self) -> int:
        """Bits of the requantization offset and of the sum before the shift, two's complement."""
        return max(self.accumulator_width + self.multiplier_width, self.shifts[-1] + 9) + 1

    @property
    def shift_code_width(self) -> int:
        """Bits of the number of a shift."""
        return ceil_log2(len(self.shifts))

    @property
    def parameter_width(self) -> int:
        """Bits of one channel's requantization parameters: multiplier, offset, shift code."""
        return self.multiplier_width + self.offset_width + self.shift_code_width

    @property
    def parameter_words(self) -> int:
        """Weight words in front of each output group that carry its channels' parameters, one row a lane."""
        return -(-self.parameter_width // self.word_width)

    @property
    def requantizer_interval(self) -> int:
        """Cycles between two pixels that the requantizer accepts."""
        return 1 if self.requantizer_digit == 0 else self.requantizer_steps + 1

    @property
    def requantizer_steps(self) -> int:
        """Digits of the multiplier that a serial requantizer works through."""
        return -(-self.multiplier_width // max(self.requantizer_digit, 1))

    @property
    def lane_pitch(self) -> int:
        """Byte offsets of an output group in its first word are multiples of this: gcd(m, its bytes, part_pitch)."""
        return gcd(self.m, *self.output_bytes, self.part_pitch)

    @property
    def write_steps(self) -> int:
        """The most feature words that n neighbouring channels can touch: cycles to write one pixel."""
        return -(-(self.m - self.lane_pitch + max(self.output_bytes)) // self.m)

    @property
    def pixel_interval(self) -> int:
        """Cycles between two pixels that leave the accumulation buffer, the longest of all output formats."""
        return max(self.pixel_intervals)

    @property
    def pixel_intervals(self) -> tuple[int, ...]:
        """Cycles between two pixels that leave the accumulation buffer, for each of the output formats."""
        return tuple(
            max(self.requantizer_interval, -(-(self.m - self.lane_pitch + size) // self.m)) for size in self.output_bytes
        )

    @property
    def sum_width(self) -> int:
        """Bits of a dot product of a word and a row, two's complement: the widest of the products."""

        def largest(name: str) -> int:
            # The surplus of a pair is at most that of one product more (hw/compute/paired_dot.py).
            return PRODUCTS[name].largest(self.m) * (3 if name in self.paired_products else 2) // 2

        return max(
            16 + ceil_log2(self.m) if name == "int8xint8" else largest(name).bit_length() + 1 for name in self.products
        )

    @property
    def paired_products(self) -> tuple[str, ...]:
        """Products of which two at a time are one bit to count (hw/compute/paired_dot.py): their sums have a surplus, a
        constant for each channel, which the requantization's offset takes away again."""
        if self.m % 2 or "binaryxbinary" not in self.products:
            return ()
        return tuple(name for name in ("binaryxbinary", "int8xbinary") if name in self.products)

    # Number formats

    @property
    def output_bytes(self) -> tuple[int, ...]:
        """Bytes of an output group in each of the output formats."""
        return tuple(self.n * FORMATS[name].width // 8 for name in self.output_formats)

    @property
    def masking(self) -> bool:
        """Whether the window selector must clear the bytes behind a map's last channel for one of the products."""
        return any(PRODUCTS[name].masking for name in self.products)

    # Identity

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON. ``streaming`` and ``spilling`` only where true: other engines have the identity that they had before."""
        values = asdict(self) | {name: list(getattr(self, name)) for name in ("shifts", "products", "output_formats")}
        for name in ("streaming", "spilling"):
            if not values[name]:
                del values[name]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> EngineConfig:
        """The inverse of :meth:`to_dict`. Raises UserError for unknown or missing parameters."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        _require(not unknown, f"Unknown engine parameters: {', '.join(unknown)}.")
        missing = sorted({"p", "m", "n"} - set(values))
        _require(not missing, f"Missing engine parameters: {', '.join(missing)}.")
        plain = dict(values)
        for name in {"shifts", "products", "output_formats"} & set(plain):
            plain[name] = tuple(plain[name])
        return cls(**plain)

    @property
    def identity(self) -> int:
        """64-bit identity: SHA-256 over the program format and all parameters. Never 0."""
        text = json.dumps({"format": PROGRAM_FORMAT, **self.to_dict()}, sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") | 1

    def __str__(self) -> str:
        return f"{self.p} x {self.m} x {self.n}, depth {self.depth}"
