"""Counts and samples of what the rules of cleaning did."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from wenliu.text.edits import Replacement
from wenliu.text.rules import INVISIBLE

_BEFORE, _AFTER = 15, 25
_UNSEEN = re.compile(f"[{INVISIBLE}\t-\r\x85\xa0\u2000-\u200a\u2028\u2029\u202f\u205f]")
_NUMBER = re.compile(r"([0-9]{3})([0-9 -]{3,})(?=[0-9])")
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+(?=[@＠])")


@dataclass
class Count:
    """What one rule did."""

    rows: int = 0
    characters: int = 0
    samples: list[dict[str, str]] = field(default_factory=list)


class Tally:
    """What cleaning did to a column; :meth:`Normalizer.clean_column` fills it.

    Args:
        samples: How many rows of each rule are kept as before/after samples, the first that come.
    """

    def __init__(self, samples: int = 5) -> None:
        self.samples = samples
        self.rows = self.changed_rows = self.blank_rows = 0
        self.characters_before = self.characters_after = 0
        self.rules: dict[str, Count] = {}

    def open(self, names: list[str]) -> None:
        """Makes rules that touch nothing appear with zeros."""
        for name in names:
            self.rules.setdefault(name, Count())

    def add(self, name: str, found: list[Replacement], before: str, after: str) -> None:
        """Counts the replacements that a rule made in one row."""
        count = self.rules[name]
        count.rows += 1
        for start, end, _ in found:
            count.characters += end - start
        if len(count.samples) < self.samples:
            start, end, new = found[0]
            low = max(0, start - _BEFORE)
            count.samples.append(
                {
                    "before": _shown(before[low : min(end, start + 60) + _AFTER]),
                    "after": _shown(after[low : start + len(new) + _AFTER]),
                }
            )

    def add_plain(self, name: str, rows: int, characters: int) -> None:
        """Counts what a rule replaced in rows that need not be shown."""
        self.rules[name].rows += rows
        self.rules[name].characters += characters

    def wanted(self, name: str) -> int:
        """How many more samples of a rule are to be shown."""
        return self.samples - len(self.rules[name].samples)

    def add_rows(self, rows: int, changed: int, blank: int, before: int, after: int) -> None:
        """Counts rows and characters of a cleaned block."""
        self.rows += rows
        self.changed_rows += changed
        self.blank_rows += blank
        self.characters_before += before
        self.characters_after += after

    def merge(self, report: dict[str, Any]) -> None:
        """Adds what another tally reported of the rows that come next."""
        for name in ("rows", "changed_rows", "blank_rows", "characters_before", "characters_after"):
            setattr(self, name, getattr(self, name) + report[name])
        for name, found in report["rules"].items():
            count = self.rules.setdefault(name, Count())
            count.rows += found["rows"]
            count.characters += found["characters"]
            count.samples += found["samples"][: self.samples - len(count.samples)]

    def report(self) -> dict[str, Any]:
        """Plain numbers; ``characters`` counts what a rule replaced or removed.

        ``blank_rows`` are rows that had something and have nothing left.
        """
        return {
            "rows": self.rows,
            "changed_rows": self.changed_rows,
            "characters_before": self.characters_before,
            "characters_after": self.characters_after,
            "blank_rows": self.blank_rows,
            "rules": {
                name: {"rows": c.rows, "characters": c.characters, "samples": list(c.samples)}
                for name, c in self.rules.items()
            },
        }


def _shown(text: str) -> str:
    """A sample that can be read: the unseen as escapes, long numbers and addresses starred."""
    text = _NUMBER.sub(lambda m: m[1] + re.sub("[0-9]", "*", m[2]), text)
    text = _ADDRESS.sub("***", text)
    return _UNSEEN.sub(lambda match: f"\\u{{{ord(match[0]):x}}}", text)
