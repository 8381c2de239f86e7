"""From the rows of one file to judged ones: good, or bad for a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import lt
from typing import TYPE_CHECKING, Any

import numpy as np

from wenliu.params import Split
from wenliu.pipelines.ingestion.labels import LabelReader
from wenliu.pipelines.ingestion.splits import UNKNOWN_SPLIT, read_split
from wenliu.readers import BadRow, Block, RawFile
from wenliu.text.hashing import digests

if TYPE_CHECKING:
    import pyarrow as pa

#: As many first bad rows of a file as a message may show.
_FIRST_BAD_ROWS = 3
_CONTENT_CHARS = 1000


@dataclass
class FileTally:
    """What was counted in one file while its rows went by.

    Attributes:
        source: What the file is called in ids.
        file: How it is read.
        rows: Good ones.
        labels: Of the good rows.
        splits: Of the good rows; None where a row has none of its own.
        groups: ``(n, 2)`` digests of the groups of rows, by block.
        reasons: Why rows are bad, without the position in the row, which makes each its own.
        first_bad: The first bad rows.
        unknown_split: The first reason that is an unknown split.
        has_ids: Whether a row has an id of its own.
        lines_ascend: Whether every good row begins in a line of its own.
    """

    source: str
    file: RawFile
    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    splits: Counter[str | None] = field(default_factory=Counter)
    groups: list[np.ndarray] = field(default_factory=lambda: [np.empty((0, 2), np.uint64)])
    reasons: Counter[str] = field(default_factory=Counter)
    first_bad: list[BadRow] = field(default_factory=list)
    unknown_split: str = ""
    has_ids: bool = False
    lines_ascend: bool = True
    _last_line: int = 0

    @property
    def bad(self) -> int:
        """Bad rows."""
        return self.reasons.total()

    def add_good(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Counts good rows, given by column."""
        lines = columns["line"]
        self.rows += len(lines)
        self.labels.update(columns["label"])
        self.splits.update(columns["split"])
        self.groups.append(digests({group for group in columns["group"] if group is not None}))
        self.has_ids = self.has_ids or any(columns["id"])
        self.lines_ascend = self.lines_ascend and all(map(lt, [self._last_line, *lines], lines))
        self._last_line = lines[-1] if lines else self._last_line

    def add_bad(self, rows: Sequence[BadRow]) -> None:
        """Counts bad rows."""
        self.reasons.update(row.reason.split(" at character ")[0] for row in rows)
        self.first_bad += rows[: _FIRST_BAD_ROWS - len(self.first_bad)]
        unknown = (row.reason for row in rows if row.reason.startswith(UNKNOWN_SPLIT))
        self.unknown_split = self.unknown_split or next(unknown, "")


def judged_schema() -> pa.Schema:
    """Good rows, which have no reason, and bad ones, which have little else."""
    import pyarrow as pa

    names = ("source", "id", "text", "label", "split", "group", "column", "reason", "content")
    return pa.schema([pa.field("line", pa.int64()), *(pa.field(n, pa.string()) for n in names)])


def judge(
    tally: FileTally, labels: LabelReader, split: str | None, split_values: Mapping[str, Split]
) -> Iterator[pa.RecordBatch]:
    """Reads a file, judges every row of it and counts, a block at a time.

    A row without a label, with an unknown one, or without a text is bad; one whose text is blank
    is kept, the audit deals with it.

    Args:
        tally: Of the file.
        labels: Reads labels.
        split: Of the whole file; a value in its split column counts more.
        split_values: Value of the split column to split, beside the known ones.
    """
    for block in tally.file.blocks():
        good, bad = _judged(block, tally.file.roles, labels, split, split_values)
        tally.add_good(good)
        yield _batch(good, len(good["line"]), tally.source)
        if bad:
            tally.add_bad(bad)
            columns = dict(zip(BadRow._fields, map(list, zip(*bad, strict=True)), strict=True))
            yield _batch(columns, len(bad), tally.source)


def _judged(
    block: Block,
    roles: Mapping[str, str | None],
    labels: LabelReader,
    split: str | None,
    split_values: Mapping[str, Split],
) -> tuple[dict[str, list[Any]], list[BadRow]]:
    """Columns of the good rows, and the bad rows in order."""
    values = block.values
    nothing: list[None] = [None] * len(block.lines)
    texts, raw_labels = values["text"], values["label"]
    raw_splits = values.get("split", nothing)
    # Few values that repeat: each is read once.
    read = {raw: labels.read(raw) for raw in set(raw_labels)}
    sides = {raw: read_split(raw, split_values) for raw in set(raw_splits)}
    columns: dict[str, list[Any]] = {
        "line": block.lines,
        "text": texts,
        "label": [read[raw][0] for raw in raw_labels],
        "id": [(each or "").strip() or None for each in values.get("id", nothing)],
        "split": [sides[raw][0] or split for raw in raw_splits],
        "group": [(each or "").strip() or None for each in values.get("group", nothing)],
    }
    if None not in texts and not any(wrong for _, wrong in (*read.values(), *sides.values())):
        return columns, block.bad
    is_good, bad = [], list(block.bad)
    for line, text, raw_label, raw_split in zip(
        block.lines, texts, raw_labels, raw_splits, strict=True
    ):
        problem = None
        if text is None:
            problem = ("text", "the text is missing", raw_label)
        elif wrong := read[raw_label][1]:
            problem = ("label", wrong, text)
        elif wrong := sides[raw_split][1]:
            problem = ("split", wrong, text)
        is_good.append(problem is None)
        if problem:
            role, reason, content = problem
            bad.append(BadRow(line, roles[role], reason, (content or "")[:_CONTENT_CHARS]))
    bad.sort(key=lambda row: row.line)
    return {name: list(compress(column, is_good)) for name, column in columns.items()}, bad


def _batch(columns: Mapping[str, list[Any]], rows: int, source: str) -> pa.RecordBatch:
    import pyarrow as pa

    schema = judged_schema()
    columns = {**columns, "source": [source] * rows}
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
