"""Plain text for terminals, where a Chinese character is two columns wide."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def width(text: str) -> int:
    """Columns that the text takes in a terminal."""
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, columns: int) -> str:
    """The text in one line and at most so many columns, ``…`` where it goes on."""
    # Control characters could move the cursor or change colours.
    line = "".join(c if c.isprintable() or c in "\u200d\ufe0f" else " " for c in text)
    line = " ".join(line.split())
    if width(line) <= columns:
        return line
    taken = 0
    for position, character in enumerate(line):
        taken += _width(character)
        if taken > columns - 1:
            return line[:position] + "…"
    return line


def columns_of_text(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """The rows as lines, their cells aligned by display width."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return [
        (
            indent
            + "  ".join(
                cell + " " * (size - width(cell)) for cell, size in zip(row, widths, strict=True)
            )
        ).rstrip()
        for row in rows
    ]
