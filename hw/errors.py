"""The two ways a run of Macaw ends early; the command line turns them into one sentence and an exit code."""

from __future__ import annotations

__all__ = ["CheckFailed", "UserError"]


class UserError(Exception):
    """Wrong input: the message is one sentence with the thing at fault, the rule and a way out. Exit code 2."""


class CheckFailed(Exception):
    """A check of Macaw's own came out wrong (outputs differ, timing missed, tool failed). Exit code 1."""
