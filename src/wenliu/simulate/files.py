"""What people drop into an inbox: good files, and every kind of bad one."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass

from wenliu.inbox import Outcome
from wenliu.simulate.texts import Row

_HEADER = ("text", "label")
#: Decompressed over compressed: a thousand, ten times what is allowed.
_BOMB_BYTES = 20_000_000


@dataclass(frozen=True)
class Drop:
    """A file, and what must become of it.

    Attributes:
        name: In the inbox.
        content: Its bytes.
        outcome: Of the intake.
        rows: Those that are in it and can be read: none may be lost.
        bad_rows: Rows of a good file that cannot be read.
    """

    name: str
    content: bytes
    outcome: Outcome
    rows: tuple[Row, ...] = ()
    bad_rows: int = 0


def good_file(name: str, rows: Sequence[Row], bad_rows: int = 0) -> Drop:
    """A table as it should be; ``bad_rows`` of it have no label."""
    table = [(row.text, row.label) for row in rows]
    table += [(f"没有标签的第{number}行", "") for number in range(bad_rows)]
    return Drop(name, _csv(table), "accepted", tuple(rows), bad_rows)


def same_again(name: str, drop: Drop) -> Drop:
    """The bytes of a file that was accepted, under another name."""
    return Drop(name, drop.content, "duplicate", drop.rows, drop.bad_rows)


def without_labels(name: str, rows: Sequence[Row]) -> Drop:
    """Another schema: the column of the labels is gone and another one came."""
    table = [(row.text, str(number)) for number, row in enumerate(rows)]
    return Drop(name, _csv(table, ("content", "serial_number")), "quarantined")


def bad_files(rows: Sequence[Row], stem: str) -> list[Drop]:
    """One of each kind; none may stop the good files beside them."""
    table = _csv([(row.text, row.label) for row in rows])
    half = len(table) // 2
    return [
        Drop(f"{stem}_bytes.csv", table[:half] + b"\xff\xfe\x00" + table[half:], "quarantined"),
        Drop(f"{stem}_quote.csv", table + '"没有结束的引号,物流配送\n'.encode() * 3, "quarantined"),
        Drop(f"{stem}_header.csv", _csv([]), "quarantined"),
        Drop(f"{stem}_bomb.csv.gz", gzip.compress(b"a" * _BOMB_BYTES, mtime=0), "quarantined"),
        Drop(f"{stem}_half.csv.part", table[:half], "waiting"),
    ]


def _csv(table: Sequence[tuple[str, str]], header: tuple[str, str] = _HEADER) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *table])
    return text.getvalue().encode()
