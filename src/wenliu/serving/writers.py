"""Predictions as csv, tsv, jsonl, parquet or xlsx, written part by part with flat memory."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from wenliu.disk import fsync
from wenliu.errors import UserError

#: A spreadsheet may run what starts with one of these (OWASP, "CSV injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\0")
# Excel's limits, and what XML 1.0 cannot hold.
_XLSX_ROWS, _XLSX_CELL = 1_048_576, 32_767
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

Cell = str | float | None


class RowWriter(Protocol):
    """Takes rows in order."""

    def write(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Appends rows; each has one cell for each column."""
        ...

    def close(self) -> None:
        """Finishes the file."""
        ...


def safe_cell(value: Cell) -> Cell:
    """The cell, prefixed with ``'`` where a spreadsheet would take it for a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


class SeparatedWriter:
    """CSV or TSV in UTF-8 with BOM, which spreadsheets recognise."""

    def __init__(self, path: Path, columns: Sequence[str], delimiter: str) -> None:
        # A lone surrogate has no UTF-8: it becomes "?" instead of ending the run.
        self._file = path.open("w", encoding="utf-8-sig", newline="", errors="replace")
        self._writer = csv.writer(self._file, delimiter=delimiter)
        self._writer.writerow([safe_cell(name) for name in columns])

    def write(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Appends rows."""
        self._writer.writerows([[safe_cell(cell) for cell in row] for row in rows])

    def close(self) -> None:
        """Finishes the file."""
        self._file.close()


class JsonLinesWriter:
    """One object a line."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8", errors="replace")
        self._columns = columns

    def write(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Appends rows."""
        for row in rows:
            record = dict(zip(self._columns, row, strict=True))
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Finishes the file."""
        self._file.close()


class ParquetWriter:
    """Texts as strings, the probability as a double."""

    def __init__(self, path: Path, columns: Sequence[str], numbers: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as parquet

        self._schema = pa.schema(
            [(name, pa.float64() if name in numbers else pa.string()) for name in columns]
        )
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Appends rows."""
        import pyarrow as pa

        arrays = [
            pa.array([_storable(row[i]) for row in rows], field.type)
            for i, field in enumerate(self._schema)
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        """Finishes the file."""
        self._writer.close()


class XlsxWriter:
    """One sheet, streamed. What Excel cannot hold is dropped: control characters, long ends."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        from openpyxl import Workbook

        self._path = path
        self._book = Workbook(write_only=True)
        self._sheet = self._book.create_sheet("predictions")
        self._sheet.append([_xlsx_cell(name) for name in columns])
        self._rows = 1

    def write(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Appends rows."""
        self._rows += len(rows)
        if self._rows > _XLSX_ROWS:
            raise UserError(
                f"A spreadsheet holds {_XLSX_ROWS:,} rows, and there are more.",
                where=self._path.name,
                remedy="Write .csv or .parquet instead.",
            )
        for row in rows:
            self._sheet.append([_xlsx_cell(cell) for cell in row])

    def close(self) -> None:
        """Finishes the file."""
        self._book.save(self._path)


def _xlsx_cell(value: Cell) -> Cell:
    value = safe_cell(value)
    return _NOT_IN_XML.sub("", value)[:_XLSX_CELL] if isinstance(value, str) else value


def _storable(value: Cell) -> Cell:
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")


@contextmanager
def open_writer(
    target: Path, columns: Sequence[str], numbers: Sequence[str] = ()
) -> Iterator[RowWriter]:
    """A writer of the kind that ``target``'s suffix names.

    It writes beside the target, which appears only when everything was written.

    Args:
        target: ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet`` or ``.xlsx``.
        columns: Their names, in order.
        numbers: Those that hold numbers.

    Raises:
        UserError: For another suffix, or a folder that is not there.
    """
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"Predictions cannot be written as {suffix or 'a file without suffix'!r}.",
            where=str(target),
            remedy=f"Choose one of: {', '.join(SUFFIXES)}.",
        )
    if not target.parent.is_dir():
        raise UserError("The output's folder does not exist.", where=str(target.parent))
    beside = target.with_name(f".{target.stem}.{os.getpid()}{suffix}")
    writer: Any = None
    try:
        if suffix == ".parquet":
            writer = ParquetWriter(beside, columns, numbers)
        elif suffix == ".xlsx":
            writer = XlsxWriter(beside, columns)
        elif suffix == ".jsonl":
            writer = JsonLinesWriter(beside, columns)
        else:
            writer = SeparatedWriter(beside, columns, "\t" if suffix == ".tsv" else ",")
        yield writer
        writer.close()
        fsync(beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
