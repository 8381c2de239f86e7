"""From the columns of one file to examples and quarantine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wenliu.errors import UserError
from wenliu.frames import Table
from wenliu.params import Split
from wenliu.pipelines.ingestion.labels import LabelReader
from wenliu.pipelines.ingestion.splits import read_split
from wenliu.readers import BadRow, FileRows

_CHUNK_ROWS = 100_000
#: Arrow's string columns hold 2 GiB; a character takes at most four bytes.
_CHUNK_CHARS = 2**28


@dataclass
class ExampleColumns:
    """Good rows of one file by column, and its bad rows."""

    source: str
    raw_ids: list[str | None] = field(default_factory=list)
    id: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    label: list[str] = field(default_factory=list)
    split: list[str | None] = field(default_factory=list)
    group: list[str | None] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)


def examples_of(
    source: str,
    file: FileRows,
    labels: LabelReader,
    split: str | None,
    split_values: Mapping[str, Split],
) -> ExampleColumns:
    """Judges every row of a file.

    A row without a label, with an unknown one, or without a text is bad; one whose text is blank
    is kept, the audit deals with it.

    Args:
        source: What the file is called in ids.
        file: Its rows.
        labels: Reads labels.
        split: Of the whole file; a value in its split column counts more.
        split_values: Value of the split column to split, beside the known ones.
    """
    columns = ExampleColumns(source, bad=list(file.bad))
    roles, values = file.roles, file.values
    nothing: list[None] = [None] * len(file.lines)
    rows = zip(
        file.lines,
        values["text"],
        values["label"],
        values.get("id", nothing),
        values.get("split", nothing),
        values.get("group", nothing),
        strict=True,
    )
    for line, text, raw_label, raw_id, raw_split, group in rows:
        label, wrong_label = labels.read(raw_label)
        row_split, wrong_split = read_split(raw_split, split_values)
        if text is None:
            columns.bad.append(_bad(line, roles["text"], "the text is missing", raw_label))
        elif label is None:
            columns.bad.append(_bad(line, roles["label"], wrong_label, text))
        elif wrong_split:
            columns.bad.append(_bad(line, roles["split"], wrong_split, text))
        else:
            columns.line.append(line)
            columns.text.append(text)
            columns.label.append(label)
            columns.raw_ids.append((raw_id or "").strip() or None)
            columns.split.append(row_split or split)
            columns.group.append((group or "").strip() or None)
    columns.bad.sort(key=lambda row: row.line)
    return columns


def _bad(line: int, column: str | None, reason: str, content: str | None) -> BadRow:
    return BadRow(line, column, reason, (content or "")[:1000])


def settle_ids(files: Sequence[ExampleColumns], *, given: bool) -> list[str]:
    """Gives every row its id: from the id column, else ``<file>:<line>``; returns warnings.

    A column that was only found, not given, is left aside where its values repeat: files of
    train and test often count from 0 each.

    Raises:
        UserError: The given column repeats an id.
    """
    first: dict[str, str] = {}
    repeated = None
    for file in files:
        for line, raw in zip(file.line, file.raw_ids, strict=True):
            place = f"{file.source}:{line}"
            identity = raw or place
            if identity in first:
                repeated = (identity, first[identity], place)
                break
            first[identity] = place
            file.id.append(identity)
        if repeated:
            break
    if repeated is None:
        return []
    identity, one, other = repeated
    if given:
        raise UserError(
            f"The id {identity!r} stands twice.",
            where=f"{one} and {other}",
            remedy="make the ids unique, or take ingestion.columns.id away: rows are then named "
            "by file and line",
        )
    for file in files:
        file.id = [f"{file.source}:{line}" for line in file.line]
    return [
        f"The column of ids is not used: {identity!r} stands at {one} and at {other}. "
        "Rows are named by file and line."
    ]


def examples_table(files: Sequence[ExampleColumns], labels: Sequence[str]) -> Table:
    """Examples of all files, a file in chunks of at most 100,000 rows."""
    import pyarrow as pa

    from wenliu.schemas import Examples

    index = {label: position for position, label in enumerate(labels)}
    batches = []
    for file in files:
        columns: dict[str, list[Any]] = {
            "id": file.id,
            "text": file.text,
            "label": file.label,
            "label_id": [index[label] for label in file.label],
            "split": file.split,
            "group": file.group,
            "source": [file.source] * len(file.line),
            "line": file.line,
        }
        for start, end in _chunks(file.text):
            chunk = {name: values[start:end] for name, values in columns.items()}
            batches.append(pa.RecordBatch.from_pydict(chunk, schema=Examples.arrow()))
    return pa.Table.from_batches(batches, schema=Examples.arrow())


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    start = size = 0
    for position, text in enumerate(texts):
        size += len(text)
        if position - start >= _CHUNK_ROWS or (size > _CHUNK_CHARS and position > start):
            yield start, position
            start, size = position, len(text)
    if start < len(texts):
        yield start, len(texts)


def quarantine_table(files: Sequence[ExampleColumns]) -> Table:
    """Bad rows of all files, in order."""
    import pyarrow as pa

    from wenliu.schemas import Quarantine

    rows = [
        {
            "source": file.source,
            "line": bad.line,
            "column": bad.column,
            "reason": bad.reason,
            "content": bad.content,
        }
        for file in files
        for bad in file.bad
    ]
    return pa.Table.from_pylist(rows, schema=Quarantine.arrow())
