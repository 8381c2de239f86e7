"""A file of any size through a bundle: the same rows with a label and its probability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wenliu.errors import UserError
from wenliu.progress import progress_bar
from wenliu.serving.writers import Cell, open_writer

if TYPE_CHECKING:
    from wenliu.readers import Sniffed
    from wenliu.serving.bundle import Bundle

#: What is held in memory at once: so many rows, or rows with so many characters.
_CHUNK_ROWS, _CHUNK_CHARS = 2_048, 2_000_000
#: Enough to tell texts from ids and labels.
_SNIFFED_ROWS = 2_000
#: A sheet of one column with fewer rows may be notes on the table that follows.
_NOTES_ROWS = 50

_OUTPUTS = ("label", "probability", "error")


class _Record(NamedTuple):
    values: Sequence[str | None]
    error: str | None  # why there can be no prediction


def default_target(source: Path) -> Path:
    """Where predictions go when nobody said: a CSV beside the file."""
    return source.with_name(f"{source.name.split('.')[0]}.predictions.csv")


def predict_file(
    bundle: Bundle,
    source: Path,
    target: Path,
    *,
    text_column: str | int | None = None,
    sheet: str | int | None = None,
) -> dict[str, Any]:
    """Writes one row for each row of ``source``, in order, with flat memory.

    The output has the columns of the input, then ``label``, ``probability`` and ``error`` (with
    ``predicted_`` before a name that the input has already). A row that cannot be read, or of
    whose text cleaning leaves nothing, costs only itself: its label is empty and ``error`` says
    why.

    Args:
        bundle: What predicts.
        source: csv, tsv, json, jsonl, xlsx or parquet, perhaps gzipped.
        target: ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet`` or ``.xlsx``. It appears, or changes,
            only when every row was written.
        text_column: Name or position of the texts; default: found.
        sheet: Name or position of a workbook's sheet; default: the first that has
            ``text_column``, or in which a column of texts is found.

    Returns:
        ``input``, ``output``, ``rows``, ``predicted``, ``without_label``, ``labels`` (label to
        rows), ``text_column``, ``sheet`` (None but for workbooks), ``sheets_not_read``,
        ``bundle_sha256``, ``warnings``.

    Raises:
        UserError: When the file's structure, the sheet or the column cannot be made out.
    """
    if target.resolve() == source.resolve():
        raise UserError("The output would overwrite the input.", where=str(target))
    found, place, sheets = _look_at(source, text_column, sheet)
    outputs = [name if name not in found.columns else f"predicted_{name}" for name in _OUTPUTS]
    columns = [*found.columns, *outputs]
    counts: Counter[str] = Counter()
    rows = 0
    with (
        open_writer(target, columns, numbers=[outputs[1]]) as writer,
        progress_bar(found.expected_rows, f"predicting {source.name}") as bar,
    ):
        for chunk in _chunks(_records(source, found)):
            answers = _answers(bundle, chunk, place)
            writer.write([[*r.values, *a] for r, a in zip(chunk, answers, strict=True)])
            counts.update(str(label) for label, _, error in answers if error is None)
            rows += len(chunk)
            bar.update(len(chunk))
    predicted = counts.total()
    return {
        "input": str(source),
        "output": str(target),
        "rows": rows,
        "predicted": predicted,
        "without_label": rows - predicted,
        "labels": {label: counts[label] for label in bundle.labels},
        "text_column": found.columns[place],
        "sheet": found.options.sheet,
        "sheets_not_read": [name for name in sheets if name != found.options.sheet],
        "bundle_sha256": bundle.sha256,
        "warnings": [f"{rows - predicted} rows have no label; the column {outputs[2]} says why."]
        if rows > predicted
        else [],
    }


def describe(report: dict[str, Any]) -> str:
    """The report in two to four lines."""
    top = sorted(report["labels"].items(), key=lambda item: -item[1])[:5]
    labels = ", ".join(f"{label} {count:,}" for label, count in top if count)
    lines = [describe_sheet(report)] if report["sheets_not_read"] else []
    lines += [
        f"{report['rows']:,} rows of column {report['text_column']!r} -> {report['output']}",
        *report["warnings"],
    ]
    return "\n".join([*lines, f"Labels: {labels}"] if labels else lines)


def describe_sheet(report: dict[str, Any]) -> str:
    """Which of a workbook's sheets was read, and which were not."""
    others = ", ".join(map(repr, report["sheets_not_read"]))
    return f"Sheet {report['sheet']!r} was read; not read: {others}"


def _look_at(
    source: Path, text_column: str | int | None, sheet: str | int | None
) -> tuple[Sniffed, int, list[str]]:
    """What the file is, the position of its texts, and the sheets that it has.

    Of a workbook's sheets, a short one of a single column is taken only if there is nothing better:
    so looks the sheet of notes that stands before a table.
    """
    from wenliu.readers import ReadOptions, sniff
    from wenliu.readers.formats import find_format
    from wenliu.readers.workbook import first_sheet, sheet_name, sheet_names

    options = ReadOptions(wrong_width="bad_row")

    def look(name: str | int | None) -> tuple[Sniffed, int]:
        found = sniff(source, replace(options, sheet=name), max_rows=_SNIFFED_ROWS)
        return found, _text_place(found, source, text_column)

    if find_format(source, options)[0] != "xlsx":
        if sheet is not None:
            raise UserError(
                f"The sheet {sheet!r} is asked for, and the file is no workbook.",
                where=str(source),
                remedy="leave out the sheet (--sheet, or inference.sheet)",
            )
        return *look(None), []
    sheets = sheet_names(source, options)
    if sheet is not None or len(sheets) == 1:
        name = sheet_name(0 if sheet is None else sheet, sheets)
        # Where there is no such sheet, the reader says which ones there are.
        return *look(sheet if name is None else name), sheets
    notes: list[tuple[Sniffed, int]] = []

    def look_for_table(name: str) -> tuple[Sniffed, int]:
        found, place = look(name)
        if text_column is None and len(found.columns) == 1 and found.rows < _NOTES_ROWS:
            notes.append((found, place))
            raise UserError("It may be notes.")
        return found, place

    try:
        _, (found, place) = first_sheet(
            source,
            sheets,
            look_for_table,
            needs="a column of texts" if text_column is None else f"a column {text_column!r}",
            remedy="say which sheet it is with --sheet, and which column with --column "
            "(inference.sheet and inference.text)",
        )
    except UserError:
        if not notes:
            raise
        found, place = notes[0]
    return found, place, sheets


def _answers(
    bundle: Bundle, chunk: Sequence[_Record], place: int
) -> list[tuple[Cell, Cell, str | None]]:
    """Label, probability and error of each record."""
    errors = [record.error for record in chunk]
    cleaned = bundle.clean(["" if record.error else record.values[place] or "" for record in chunk])
    for i, text in enumerate(cleaned):
        if not text.strip():
            errors[i] = errors[i] or "there is no text"
    predictions = iter(
        bundle.predict_clean([t for t, e in zip(cleaned, errors, strict=True) if e is None])
    )
    answers: list[tuple[Cell, Cell, str | None]] = []
    for error in errors:
        if error is None:
            prediction = next(predictions)
            answers.append((prediction.label, round(prediction.probability, 8), None))
        else:
            answers.append((None, None, error))
    return answers


def _chunks(records: Iterator[_Record]) -> Iterator[list[_Record]]:
    chunk: list[_Record] = []
    characters = 0
    for record in records:
        chunk.append(record)
        characters += sum(len(value or "") for value in record.values)
        if len(chunk) >= _CHUNK_ROWS or characters >= _CHUNK_CHARS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _records(source: Path, found: Sniffed) -> Iterator[_Record]:
    """Every row of the file, the bad ones in their place."""
    from wenliu.readers import BadRow, iter_rows

    nothing = [None] * len(found.columns)
    for row in iter_rows(source, found):
        if isinstance(row, BadRow):
            column = f", column {row.column}" if row.column else ""
            yield _Record(nothing, f"line {row.line}{column}: {row.reason}")
        else:
            yield _Record(row.values, None)


def _text_place(found: Sniffed, source: Path, wanted: str | int | None) -> int:
    columns = list(found.columns)
    wanted = found.roles["text"] if wanted is None else wanted
    if isinstance(wanted, int) and 0 <= wanted < len(columns):
        return wanted
    if isinstance(wanted, str) and wanted in columns:
        return columns.index(wanted)
    if isinstance(wanted, str) and wanted.isdecimal() and int(wanted) < len(columns):
        return int(wanted)
    problem = "No column looks like text." if wanted is None else f"There is no column {wanted!r}."
    raise UserError(
        problem,
        where=str(source)
        + (f", sheet {found.options.sheet!r}" if found.options.sheet is not None else ""),
        remedy=f"Name the column of the texts, one of: {', '.join(columns)} "
        "(--column, or inference.text).",
    )
