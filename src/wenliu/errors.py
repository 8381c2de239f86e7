"""Errors that a user can cause: what was found, where, and what to do about it.

Every layer may import this module: it needs nothing but the standard library.
"""

from __future__ import annotations

from functools import partial
from typing import Any


class UserError(Exception):
    """Something the user gave us cannot be used.

    The command line prints it in a few lines without a traceback; the full one
    goes to the log file.

    Args:
        found: What was found, in one sentence.
        where: File, row, column or parameter it was found at.
        remedy: What to do about it.
    """

    def __init__(self, found: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(found, where, remedy)
        self.found = found
        self.where = where
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Exceptions rebuild themselves from positional arguments, which this one does not take."""
        return partial(UserError, where=self.where, remedy=self.remedy), (self.found,)

    def __str__(self) -> str:
        lines = [self.found]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.remedy:
            lines.append(f"  to do: {self.remedy}")
        return "\n".join(lines)
