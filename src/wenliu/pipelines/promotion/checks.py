"""What a check and a group of checks are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One question with its answer.

    Attributes:
        name: Of the question.
        passed: The answer.
        words: What was found, for a reader who does not know the code.
        found: The number, where there is one.
        limit: What it was held against.
        warned: Passed, but somebody should look.
    """

    name: str
    passed: bool
    words: str
    found: float | None = None
    limit: float | None = None
    warned: bool = False


@dataclass(frozen=True)
class Group:
    """Checks that belong together; it passes when all of them do."""

    name: str
    checks: Sequence[Check]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the record."""
        checks = [asdict(check) for check in self.checks]
        return {"name": self.name, "passed": self.passed, "checks": checks}
