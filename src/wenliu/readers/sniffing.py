"""Everything that has to be decided before a file can be read, with the reason for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from wenliu.errors import UserError
from wenliu.readers.delimited import iter_records
from wenliu.readers.encodings import find_encoding, printable
from wenliu.readers.formats import find_format
from wenliu.readers.guessing import ColumnStatistics, check_roles, guess_columns
from wenliu.readers.json_files import iter_objects
from wenliu.readers.layout import NAMES, find_delimiter, find_header, find_quoting
from wenliu.readers.options import ROLES, ReadOptions, Row
from wenliu.readers.parquet import parquet_columns
from wenliu.readers.rows import iter_rows
from wenliu.readers.sources import is_gzip
from wenliu.readers.workbook import iter_cells, sheet_names

#: Rows that are looked at. Files are often sorted by label, so a short look would see only one.
SNIFFED_ROWS = 200_000
_HEADER_ROWS = 200
_EXAMPLE_ROWS = 5
#: How many rows a file holds is told from the size of so many.
_SIZED_ROWS = 1000
_BLOCK_ROWS = 1000


@dataclass(frozen=True)
class Sniffed:
    """What a file is, as far as it could be found out.

    Attributes:
        path: The file.
        options: As given, with nothing left to find: what ``iter_rows`` reads by.
        compressed: Whether it is gzipped.
        columns: Names of all columns; positions as text where there is no header.
        roles: ``text``, ``label``, ``id``, ``split``, ``group`` to a column or None.
        reasons: What was decided to why, one line each.
        labels: Values of the label column with counts, most frequent first; where it has more
            than 1,000 values, those of the first rows.
        blank_labels: Rows in which it is blank.
        rows: Rows looked at, without bad ones.
        bad_rows: Bad ones among them.
        complete: Whether these were all rows of the file.
        expected_rows: An estimate where they were not.
        examples: Values of the first five rows.
    """

    path: Path
    options: ReadOptions
    compressed: bool
    columns: tuple[str, ...]
    roles: dict[str, str | None]
    reasons: dict[str, str]
    labels: tuple[tuple[str, int], ...]
    blank_labels: int
    rows: int
    bad_rows: int
    complete: bool
    expected_rows: int | None
    examples: tuple[tuple[str, ...], ...]

    def position(self, role: str) -> int | None:
        """Index of the role's column in ``Row.values``."""
        name = self.roles.get(role)
        return None if name is None else self.columns.index(name)


def sniff(
    path: Path,
    options: ReadOptions | None = None,
    columns: Mapping[str, str | int | None] | None = None,
    max_rows: int = SNIFFED_ROWS,
) -> Sniffed:
    """Finds out what a file is; what the options give is taken as given.

    The encoding is found over the whole file, quoting over its first 64 MiB, the columns over the
    first ``max_rows`` rows.

    Args:
        path: Any of the formats, perhaps gzipped. Links are followed.
        options: What is known already.
        columns: Role to column, by name or by position from 0.
        max_rows: Rows to look at.

    Raises:
        UserError: The file cannot be read, holds no rows, or lacks a column that was given.
    """
    options = options or ReadOptions()
    reasons: dict[str, str] = {}
    form, reasons["format"] = find_format(path, options)
    options = replace(options, format=form)
    if form in ("csv", "tsv", "json", "jsonl"):
        encoding, reasons["encoding"] = find_encoding(path, options)
        options = replace(options, encoding=encoding)
    if form in ("csv", "tsv"):
        options = _find_layout(path, options, reasons)
    elif form == "xlsx":
        options = _find_table(path, options, reasons)
    elif form == "parquet":
        options = replace(options, header=True, columns=parquet_columns(path, options))
    else:
        options = replace(options, header=True, columns=_find_keys(path, options, max_rows))
    names = _unique_names(path, options)
    try:
        given = check_roles(names, columns or {})
    except KeyError as error:
        role, column = error.args
        raise UserError(
            f"There is no column {column!r} for the {role}; "
            f"there are {', '.join(map(repr, names))}.",
            where=str(path),
            remedy="name one of these, or give a position from 0",
        ) from error
    for role in ("label", "split"):
        others = [r for r in ("text", "label") if r != role and given.get(r) == given.get(role)]
        if role in given and others:
            raise UserError(
                f"The column {given[role]!r} is given both for the {others[0]} and the {role}.",
                where=str(path),
                remedy=f"take another one for one of them, of {', '.join(map(repr, names))}",
            )
    return _look_at_rows(path, options, names, given, reasons, max_rows)


def _find_layout(path: Path, options: ReadOptions, reasons: dict[str, str]) -> ReadOptions:
    suffix = path.name.lower().removesuffix(".gz")
    suffix = suffix[suffix.rfind(".") :]
    mark, reasons["delimiter"] = find_delimiter(path, options, suffix)
    options = replace(options, delimiter=mark)
    quoting, reasons["quoting"] = find_quoting(path, options)
    options = replace(options, quoting=quoting)  # type: ignore[arg-type]
    records = [values for _, values, _ in islice(iter_records(path, options), _HEADER_ROWS)]
    if not records:
        raise UserError(
            "The file holds only blank lines.", where=f"{path}, line 1", remedy="fill it"
        )
    header = options.header
    if header == "auto":
        header, reasons["header"] = find_header(records)
    columns = records[0] if header else map(str, range(len(records[0])))
    return replace(options, header=header, columns=tuple(columns))


def _find_table(path: Path, options: ReadOptions, reasons: dict[str, str]) -> ReadOptions:
    sheets = sheet_names(path, options)
    if options.sheet is None and len(sheets) > 1:
        reasons["sheet"] = f"{sheets[0]!r}, the first of {', '.join(map(repr, sheets))}"
    rows = [values for _, values in islice(iter_cells(path, options), _HEADER_ROWS)]
    if not rows:
        raise UserError(
            "The worksheet is empty.",
            where=f"{path}, row 1",
            remedy="give the sheet (--sheet, ingestion.sheet or inference.sheet), one of "
            + ", ".join(map(repr, sheets)),
        )
    skip = options.skip_rows
    if skip is None:
        # A title stands alone in its row, above a table of several columns.
        filled = [sum(map(bool, values)) for values in rows]
        table = next((i for i, count in enumerate(filled) if count > 1), 0)
        skip = table if max(filled) > 1 and table <= 5 else 0
        if skip:
            reasons["skip_rows"] = f"{skip} rows with one cell stand above the table"
    rows = rows[skip:]
    header = options.header
    if header == "auto":
        header, reasons["header"] = find_header(rows)
    width = len(rows[0]) if header else max(map(len, rows))
    columns = rows[0] if header else [str(position) for position in range(width)]
    return replace(options, header=header, skip_rows=skip, columns=tuple(columns))


def _find_keys(path: Path, options: ReadOptions, max_rows: int) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    broken: Exception | None = None
    for _, value, _ in islice(iter_objects(path, options), max_rows):
        if isinstance(value, dict):
            keys.update(dict.fromkeys(value))
        elif isinstance(value, Exception):
            broken = broken or value
    if not keys:
        raise UserError(
            "The file holds no JSON objects" + (f" ({broken})." if broken else "."),
            where=f"{path}, line 1",
            remedy='write each row as {"text": "...", "label": "..."}',
        )
    return tuple(keys)


def _unique_names(path: Path, options: ReadOptions) -> tuple[str, ...]:
    names = tuple(name.strip() for name in options.columns or ())
    repeated = [name for name, count in Counter(names).items() if count > 1]
    line = f"row {(options.skip_rows or 0) + 1}" if options.format == "xlsx" else "line 1"
    if repeated:
        raise UserError(
            f"The header names {', '.join(map(repr, repeated))} more than once.",
            where=f"{path}, {line}",
            remedy="give each column its own name; header: false where this is no header",
        )
    return names


def _look_at_rows(
    path: Path,
    options: ReadOptions,
    names: tuple[str, ...],
    given: dict[str, str],
    reasons: dict[str, str],
    max_rows: int,
) -> Sniffed:
    statistics = {name: ColumnStatistics() for name in names}
    found = Sniffed(path, options, is_gzip(path), names, {}, reasons, (), 0, 0, 0, False, None, ())
    examples: list[tuple[str, ...]] = []
    rows = bad = size = 0
    every = iter_rows(path, found)
    while some := list(islice(every, min(_BLOCK_ROWS, max_rows - rows - bad))):
        good = [row.values for row in some if isinstance(row, Row)]
        for each, column in zip(statistics.values(), zip(*good, strict=True), strict=bool(good)):
            each.add(column)
        for values in good[: max(0, _SIZED_ROWS - rows)]:
            size += sum(len(value.encode()) + 1 for value in values if value)
        for values in good[: max(0, _EXAMPLE_ROWS - rows)]:
            examples.append(tuple(value or "" for value in values))
        rows, bad = rows + len(good), bad + len(some) - len(good)
    complete = next(every, None) is None
    if not rows and not bad:
        raise UserError(
            "The file has a header and no rows.",
            where=f"{path}, line 1: {printable(', '.join(names))[:60]}",
            remedy="fill it; or header: false where the first row is data",
        )
    guesses = guess_columns(statistics, given)
    expected = rows + bad
    if not complete:
        expected = max(expected, int(path.stat().st_size * min(rows, _SIZED_ROWS) / max(1, size)))
    label = guesses["label"][0]
    return replace(
        found,
        roles={role: guesses[role][0] for role in ROLES},
        reasons={**reasons, **{role: guesses[role][1] for role in ROLES}},
        labels=tuple(statistics[label].distinct.most_common()) if label else (),
        blank_labels=statistics[label].blank if label else 0,
        rows=rows,
        bad_rows=bad,
        complete=complete,
        expected_rows=None if found.compressed and not complete else expected,
        examples=tuple(examples),
    )


def delimiter_name(options: ReadOptions) -> str | None:
    """``comma``, ``tab`` and so on, None for formats without delimiters."""
    if options.format not in ("csv", "tsv"):
        return None
    return NAMES.get(options.delimiter, options.delimiter)
