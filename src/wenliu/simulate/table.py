"""The nights as a table for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wenliu.display import shorten

_COLUMNS = (
    ("night", 5), ("event", 22), ("decision", 10), ("rows", 6), ("kept", 6), ("put aside", 9),
    ("repeats", 8), ("champion", 9), ("true", 7), ("MB", 6), ("s", 6),
)  # fmt: skip


def table(told: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line a night, then what must not be, then the totals."""
    lines = ["  ".join(name.rjust(width) for name, width in _COLUMNS)]
    lines += [_line(night) for night in told]
    broken = [(night["night"], sentence) for night in told for sentence in night["broken"]]
    lines += ["", *(f"night {number}: {sentence}" for number, sentence in broken)]
    seconds = sum(night["seconds"] for night in told)
    verdict = f"{len(broken)} expectations failed" if broken else "everything went as it must"
    return [*lines, f"{len(told)} nights in {seconds / 60:.1f} minutes: {verdict}"]


def _line(night: Mapping[str, Any]) -> str:
    cells = [
        night["night"], shorten(night["event"], 22), night["decision"], night["rows_in"],
        night["kept"], night["quarantined"], night["duplicates"],
        "-" if night["champion"] is None else night["champion"],
        "-" if night["accuracy"] is None else f"{night['accuracy']:.1%}",
        f"{night['bytes'] / 1e6:.0f}", f"{night['seconds']:.0f}",
    ]  # fmt: skip
    line = "  ".join(str(c).rjust(w) for c, (_, w) in zip(cells, _COLUMNS, strict=True))
    return line + ("  <- not as it must be" if night["broken"] else "")
