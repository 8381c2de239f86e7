"""From the rows of one file to judged ones: good, or bad for a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import compress
from typing import TYPE_CHECKING, Any

from wenliu.params import Split
from wenliu.pipelines.ingestion.labels import LabelReader
from wenliu.pipelines.ingestion.splits import read_split
from wenliu.pipelines.ingestion.tallies import FileTally
from wenliu.readers import BadRow, Block
from wenliu.schemas import Examples, Quarantine

if TYPE_CHECKING:
    import pyarrow as pa

_CONTENT_CHARS = 1000
#: Column of good rows: the id that the file gives a row, which may not be used in the end.
GIVEN_ID = "given_id"


def good_schema() -> pa.Schema:
    """What one file says about a good row; the numbers of rows and labels depend on all files."""
    import pyarrow as pa

    own = [field for field in Examples.arrow() if field.name not in ("id", "label_id")]
    return pa.schema([*own, pa.field(GIVEN_ID, pa.string())])


def judge(
    tally: FileTally, labels: LabelReader, split: str | None, split_values: Mapping[str, Split]
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Reads a file, judges every row of it and counts, a block at a time.

    A row without a label, with an unknown one, or without a text is bad; one whose text is blank
    is kept, the audit deals with it.

    Args:
        tally: Of the file.
        labels: Reads labels.
        split: Of the whole file; a value in its split column counts more.
        split_values: Value of the split column to split, beside the known ones.

    Yields:
        Good rows as :func:`good_schema` has them, and bad ones for the quarantine.
    """
    for block in tally.file.blocks():
        good, bad = _judged(block, tally.file.roles, labels, split, split_values)
        tally.add_good(good)
        tally.add_bad(bad)
        rows = [list(values) for values in zip(*bad, strict=True)] or [[] for _ in BadRow._fields]
        columns = dict(zip(BadRow._fields, rows, strict=True))
        yield (
            _batch(good, len(good["line"]), tally.source, good_schema()),
            _batch(columns, len(bad), tally.source, Quarantine.arrow()),
        )


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
        GIVEN_ID: [(each or "").strip() or None for each in values.get("id", nothing)],
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


def _batch(
    columns: Mapping[str, list[Any]], rows: int, source: str, schema: pa.Schema
) -> pa.RecordBatch:
    import pyarrow as pa

    columns = {**columns, "source": [source] * rows}
    arrays = [pa.array(columns[field.name], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
