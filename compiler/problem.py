"""What the compiler refuses: one problem names the node, the rule and the way out; all of a model are raised together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..hw.errors import UserError

__all__ = ["ModelError", "Problem", "Refusal"]


@dataclass(frozen=True)
class Problem:
    """One reason why a model cannot be built.

    ``node`` and ``operator`` are the source model's names ("" for a problem of the whole model), ``shapes`` the shapes
    that matter ("1x16x8x8 -> 1x16x4x4" or ""), ``rule`` says what is not met and ``remedy`` what would work.
    """

    node: str
    operator: str
    shapes: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        details = ", ".join(part for part in (self.operator, self.shapes) if part)
        subject = f"node {self.node!r}" if self.node else "model"
        return f"{subject}{f' ({details})' if details else ''}: {self.rule}; {self.remedy}"


class ModelError(UserError):
    """A model that cannot be built. ``problems`` holds every problem found; the message has one line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Refusal(Exception):
    """One node breaks a rule: raised where that is found, caught by the walk over the model, which knows the node."""

    def __init__(self, rule: str, remedy: str) -> None:
        self.rule, self.remedy = rule, remedy
        super().__init__(f"{rule}; {remedy}")
