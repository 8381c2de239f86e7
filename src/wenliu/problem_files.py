"""`wenliu new` looks at a labelled file; at a workbook sheet by sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from wenliu.errors import UserError
from wenliu.readers import ReadOptions, Sniffed, sniff
from wenliu.readers.formats import find_format
from wenliu.readers.workbook import first_sheet, sheet_names


def look_at(path: Path, columns: Mapping[str, str | None], sheet: str | None) -> Sniffed:
    """What a file is, with a column of texts and one of labels.

    Of a workbook the first sheet that has both is taken, if none is named: before the table there
    often is a sheet that explains it.

    Args:
        path: Any of the formats.
        columns: Role to column, as the user said.
        sheet: Name or position, as the user said; other formats than xlsx have none.

    Raises:
        UserError: The file cannot be read, or lacks a column of texts or of labels.
    """
    options = ReadOptions(sheet=sheet)
    if find_format(path, options)[0] != "xlsx":
        return _require(sniff(path, columns=columns))
    sheets = sheet_names(path, options)
    if sheet is not None or len(sheets) == 1:
        found = _require(sniff(path, options, columns))
        # A position is written down as the name, which stays when sheets are moved.
        name = sheet if sheet in sheets or sheet is None else sheets[int(sheet)]
        return replace(found, options=replace(found.options, sheet=name))
    name, found = first_sheet(
        path,
        sheets,
        lambda each: _require(sniff(path, ReadOptions(sheet=each), columns)),
        needs="a column of texts and one of labels",
        remedy="say which sheet it is with --sheet, and which columns with --text and --label",
    )
    others = ", ".join(repr(other) for other in sheets if other != name)
    why = f"{name!r}, the first with texts and labels; not read: {others}"
    return replace(found, reasons={**found.reasons, "sheet": why})


def sheet_of_all(sniffed: Sequence[Sniffed]) -> str | None:
    """The sheet to be written down; None where every workbook has just one, or there is none.

    Raises:
        UserError: The sheets are called differently, so that one name cannot stand for all.
    """
    books = [found for found in sniffed if found.options.format == "xlsx"]
    chosen = [found.options.sheet for found in books]
    if all(sheet is None for sheet in chosen):
        return None
    names = [_sheet_name(found) for found in books]
    if len(set(names)) == 1:
        return names[0]
    raise UserError(
        "The tables stand on sheets of different names: "
        + ", ".join(
            f"{found.path.name}: {name!r}" for found, name in zip(books, names, strict=True)
        )
        + ".",
        where="ingestion.sheet holds for all workbooks of a problem",
        remedy="give the sheets one name, or save them as CSV (UTF-8)",
    )


def _sheet_name(found: Sniffed) -> str:
    sheet = found.options.sheet
    return str(sheet) if sheet is not None else sheet_names(found.path, found.options)[0]


def _require(found: Sniffed) -> Sniffed:
    sheet = found.options.sheet
    for role in ("text", "label"):
        if found.roles[role] is None:
            raise UserError(
                f"No {role} column was found: {found.reasons[role]}.",
                where=str(found.path)
                + (f", sheet {sheet!r}" if sheet is not None else "")
                + f", columns {', '.join(map(repr, found.columns))}",
                remedy=f"say which it is with --{role} COLUMN",
            )
    return found
