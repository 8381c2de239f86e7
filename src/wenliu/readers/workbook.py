"""Excel workbooks (.xlsx), read row by row with openpyxl."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from wenliu.errors import UserError
from wenliu.readers.encodings import find_bad, printable
from wenliu.readers.options import BadRow, ReadOptions, Row
from wenliu.readers.sources import seekable
from wenliu.readers.values import as_text

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

#: openpyxl holds the table of shared strings in memory, at about three times its size as XML.
_SHARED_STRINGS_BYTES = 128 << 20
_RATIO_FLOOR = 1 << 20
_ZEROS = re.compile(r"0{2,}")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")

_Found = TypeVar("_Found")


def sheet_names(path: Path, options: ReadOptions) -> list[str]:
    """Names of the worksheets in order."""
    with _workbook(path, options) as book:
        return [sheet.title for sheet in book.worksheets]


def sheet_name(sheet: str | int, names: Sequence[str]) -> str | None:
    """The sheet that a name, or a position from 0, means; None if there is none."""
    if str(sheet) in names:  # A sheet may be called 2024, which YAML reads as a number.
        return str(sheet)
    if isinstance(sheet, str) and sheet.isdecimal():
        sheet = int(sheet)
    return names[sheet] if isinstance(sheet, int) and 0 <= sheet < len(names) else None


def first_sheet(
    path: Path, names: Sequence[str], look: Callable[[str], _Found], *, needs: str, remedy: str
) -> tuple[str, _Found]:
    """The first sheet that serves: before the table there often is one that explains it.

    Args:
        path: The workbook, for the message.
        names: Its sheets.
        look: From a sheet to what was found; ``UserError`` where the sheet does not serve.
        needs: What a sheet must have, for the message.
        remedy: What to do where none has it.

    Returns:
        The sheet's name, and what ``look`` found there.

    Raises:
        UserError: No sheet serves; it says why of each.
    """
    failures = []
    for name in names:
        try:
            return name, look(name)
        except UserError as error:
            failures.append(f"{name!r}: {error.found.rstrip('.')}")
    raise UserError(
        f"No sheet has {needs}. {'; '.join(failures)}.",
        where=f"{path}, sheets {', '.join(map(repr, names))}",
        remedy=remedy,
    )


def iter_cells(path: Path, options: ReadOptions) -> Iterator[tuple[int, list[str]]]:
    """Row number and texts of every row that is not blank, without trailing blank cells.

    Raises:
        UserError: The workbook is damaged or over a limit, or has no such sheet.
    """
    with _workbook(path, options) as book:
        sheet = _choose(book, path, options.sheet)
        # The size that a file declares is often wrong, and rows beyond it would be lost.
        sheet.reset_dimensions()
        try:
            for number, cells in enumerate(sheet.iter_rows(), 1):
                values = [_cell_text(cell) for cell in cells]
                while values and not values[-1]:
                    values.pop()
                if values:
                    yield number, values
        except Exception as error:
            raise _damaged(path, error) from error


def iter_xlsx(path: Path, options: ReadOptions) -> Iterator[Row | BadRow]:
    """Rows of a worksheet; blank cells at the end are there, blank rows are not."""
    columns = options.columns or ()
    skip = (options.skip_rows or 0) + bool(options.header)
    for index, (number, values) in enumerate(iter_cells(path, options)):
        if index < skip:
            continue
        if len(values) > len(columns):
            raise UserError(
                f"The row has {len(values)} cells where there are {len(columns)} columns.",
                where=f"{path}, row {number}: {printable(' | '.join(values))[:60]}",
                remedy="name the extra column in the header, or empty the cell",
            )
        values += [""] * (len(columns) - len(values))
        if bad := find_bad(values, columns, decoded=False):
            yield BadRow(number, *bad, printable("\t".join(values), decoded=False))
        elif sum(map(len, values)) > options.max_row_chars:
            reason = f"longer than {options.max_row_chars:,} characters"
            yield BadRow(number, None, reason, printable("\t".join(values)))
        else:
            yield Row(number, values)  # type: ignore[arg-type]


@contextmanager
def _workbook(path: Path, options: ReadOptions) -> Iterator[Workbook]:
    import openpyxl

    with seekable(path, options) as file:
        _refuse_bombs(path, file, options)
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except Exception as error:
            # Whatever the parts of a damaged workbook make zlib, expat and openpyxl stumble over.
            raise _damaged(path, error) from error
        try:
            yield book
        finally:
            book.close()


def _refuse_bombs(path: Path, file: BinaryIO, options: ReadOptions) -> None:
    # ZipFile never hands out more than the size that stands in its index, so that may be trusted.
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    # zipfile calls a compression it does not know NotImplementedError.
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise _damaged(path, error) from error
    size = sum(member.file_size for member in members)
    packed = max(1, sum(member.compress_size for member in members))
    if size > options.max_file_bytes:
        found = f"The workbook holds {size:,} bytes, more than {options.max_file_bytes:,}."
    elif size > _RATIO_FLOOR and size > options.max_expansion * packed:
        found = f"The workbook expands {size // packed} times, as a decompression bomb does."
    elif any(
        m.filename.endswith("sharedStrings.xml") and m.file_size > _SHARED_STRINGS_BYTES
        for m in members
    ):
        found = "The workbook holds more text than can be read in little memory."
    else:
        return
    raise UserError(found, where=str(path), remedy="save the sheet as CSV (UTF-8)")


def _choose(book: Workbook, path: Path, sheet: str | int | None) -> Any:
    sheets: Sequence[Any] = book.worksheets
    names = [each.title for each in sheets]
    name = sheet_name(0 if sheet is None else sheet, names)
    if name is not None:
        return sheets[names.index(name)]
    raise UserError(
        f"There is no sheet {sheet!r}; there are {', '.join(map(repr, names))}.",
        where=str(path),
        remedy="give the sheet (--sheet, ingestion.sheet or inference.sheet) as a name or a "
        "position from 0",
    )


def _cell_text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        # Excel writes CR and other control characters as _x000D_.
        return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), value) if "_x" in value else value
    text = as_text(value) or ""
    # A cell that shows 007 holds the number 7 and the format 000.
    if isinstance(value, int | float) and _ZEROS.fullmatch(cell.number_format or ""):
        return text.zfill(len(cell.number_format))
    return text


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"The workbook is damaged, incomplete or no .xlsx file ({error}).",
        where=str(path),
        remedy="copy it again, or open it in a spreadsheet and save it as .xlsx or CSV (UTF-8)",
    )
