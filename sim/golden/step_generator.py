"""Golden model of the step generator: a layer's loop nest, written down as loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

__all__ = ["layer_steps"]


def layer_steps(
    layer: Mapping[str, int], p: int, depth: int, parameter_words: int, *, pooling: bool
) -> Iterator[dict[str, int]]:
    """Steps in their order, with the fields of a step; a field that has no meaning in a step is missing.

    ``layer`` has the fields of a descriptor. Besides the fields of a step, ``drain_start`` marks the first step of the last
    phase of a tile, and ``group_start`` the first parameter row of an output group. Addresses are not wrapped.
    """
    taps, words = layer["taps_last"] + 1, layer["words_last"] + 1
    columns = range(layer["row_groups_last"] + 1)
    groups = [(row, column) for row in range(layer["rows_last"] + 1) for column in columns]
    depth = 1 if pooling else depth
    weight = layer["weight_first"]
    for output_group in range(layer["groups_last"] + 1):
        if not pooling:
            for row in range(parameter_words):
                yield {
                    "valid": 0, "parameters": 1, "parameters_last": int(row == parameter_words - 1), "fetch": 1,
                    "weight": weight, "drain_start": 0, "group_start": int(row == 0),
                }  # fmt: skip
                weight += 1
        base = layer["input_first"] + output_group // (layer["period_last"] + 1) * layer["period_step"]
        for start in range(0, len(groups), depth):
            phase = 0
            for tap in range(taps):
                for word in range(words):
                    last = int(phase == taps * words - 1)
                    for slot, (row, column) in enumerate(groups[start : start + depth]):
                        step = {
                            "valid": 1,
                            "parameters": 0,
                            "fetch": int(slot == 0 and not pooling),
                            "last": last,
                            "slot": slot,
                            "tap": layer["tap_first"] + tap,
                            "group": base + row * layer["row_step"] + column,
                            "word": word * layer["word_step"],
                            "word_end": int(word == words - 1),
                            "column": column * p,
                            "row": row * layer["row_stride"],
                            "drain_start": int(last and slot == 0),
                            "group_start": 0,
                        }
                        if step["fetch"]:
                            step["weight"] = weight + phase
                        yield step
                    phase += 1
        weight += taps * words
