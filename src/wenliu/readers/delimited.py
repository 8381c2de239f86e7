"""CSV and TSV: quoted records as RFC 4180 has them, or one record a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Literal

from wenliu.errors import UserError
from wenliu.readers.encodings import find_bad, is_dubious, printable, text_blocks, too_long
from wenliu.readers.options import BadRow, ReadOptions, Row


class _Blocks:
    """Blocks of lines that remember whether a bad character was among them."""

    def __init__(
        self, path: Path, options: ReadOptions, newline: Literal["", "\n"], *, cut_long_lines: bool
    ) -> None:
        self._newline = newline
        self._blocks = text_blocks(
            path, options.encoding, options, cut_long_lines=cut_long_lines, newline=newline
        )
        #: Stays on: a record may reach over several blocks, and files with bad rows are few.
        self.dubious = False

    def lines(self) -> Iterator[str]:
        # Lines come out of StringIO in C; str.splitlines would also split at U+2028 and U+0085.
        return chain.from_iterable(
            io.StringIO(block, newline=self._newline) for block in self._checked()
        )

    def _checked(self) -> Iterator[str]:
        for block in self._blocks:
            self.dubious = self.dubious or is_dubious(block)
            yield block


def iter_records(path: Path, options: ReadOptions) -> Iterator[tuple[int, list[str], bool]]:
    """Every record with the line where it starts; the last item says whether to check it.

    No number of columns is asked of them: ``sniff`` looks at files through this.

    Raises:
        UserError: A quote is not closed, or something follows a closing one.
    """
    if options.quoting == "none":
        yield from _iter_unquoted(path, options)
    else:
        yield from _iter_quoted(path, options)


def iter_delimited(path: Path, options: ReadOptions) -> Iterator[Row | BadRow]:
    """Rows of a CSV or TSV file whose layout is decided.

    Raises:
        UserError: A row has more or fewer fields than there are columns, unless the options make
            it a bad row; or see ``iter_records``.
    """
    columns = options.columns or ()
    width, longest = len(columns), options.max_row_chars
    header = bool(options.header)
    for line, values, check in iter_records(path, options):
        if header:
            header = False
            continue
        if len(values) != width or (width == 1 and len(values[0]) > longest):
            # ``_iter_unquoted`` leaves a line that is too long in one piece.
            if len(values[0]) > longest:
                reason = f"longer than {longest:,} characters"
            else:
                error = _wrong_width(path, line, values, width, options)
                if options.wrong_width == "stop":
                    raise error
                reason = error.found.removesuffix(".")
            yield BadRow(line, None, reason, printable(options.delimiter.join(values)))
        elif check and (bad := find_bad(values, columns)):
            yield BadRow(line, *bad, printable(options.delimiter.join(values)))
        else:
            yield Row(line, values)  # type: ignore[arg-type]


def _iter_unquoted(path: Path, options: ReadOptions) -> Iterator[tuple[int, list[str], bool]]:
    blocks = _Blocks(path, options, _line_end(path, options), cut_long_lines=True)
    delimiter = options.delimiter
    single = options.columns is not None and len(options.columns) == 1
    for number, line in enumerate(blocks.lines(), 1):
        line = line.removesuffix("\n").removesuffix("\r")
        if single or len(line) > options.max_row_chars:
            yield number, [line], blocks.dubious
        elif line:
            yield number, line.split(delimiter), blocks.dubious


def _line_end(path: Path, options: ReadOptions) -> Literal["", "\n"]:
    # A lone CR within a line belongs to the text, unless the file knows no other line end.
    block = next(text_blocks(path, options.encoding, options, cut_long_lines=True), "")
    return "\n" if "\n" in block or "\r" not in block else ""


def _iter_quoted(path: Path, options: ReadOptions) -> Iterator[tuple[int, list[str], bool]]:
    blocks = _Blocks(path, options, "", cut_long_lines=False)
    # The limit belongs to the whole process; the default of 131,072 is less than ours.
    csv.field_size_limit(options.max_row_chars)
    reader = csv.reader(blocks.lines(), delimiter=options.delimiter, strict=True)
    start = 1
    try:
        for values in reader:
            if values:
                yield start, values, blocks.dubious
            start = reader.line_num + 1
    except csv.Error as error:
        raise _broken_quote(path, start, str(error), options) from error


def _broken_quote(path: Path, line: int, message: str, options: ReadOptions) -> UserError:
    if "field larger" in message:
        return too_long(path, line, options)
    if "end of data" in message:
        found = "A quote is opened and not closed before the end of the file."
    elif "expected after" in message:
        found = "Something follows a closing quote, or a quote is not closed where it should be."
    else:
        found = f"The row cannot be read: {message}."
    return UserError(
        found,
        where=f"{path}, row that starts in line {line}",
        remedy='close the quote (a quote within quotes is doubled: ""), or give '
        "ingestion.quoting: none if the file does not quote",
    )


def _wrong_width(
    path: Path, line: int, values: list[str], width: int, options: ReadOptions
) -> UserError:
    name = {"\t": "tab", ",": "comma", ";": "semicolon"}.get(options.delimiter, options.delimiter)
    more = len(values) > width
    return UserError(
        f"The row has {len(values)} fields where there are {width} columns: "
        f"{f'a {name} too many' if more else 'it is short'}.",
        where=f"{path}, line {line}: {printable(options.delimiter.join(values))[:60]}",
        remedy=f"put a field that holds a {name} in quotes"
        if more and options.quoting != "none"
        else "complete the row, or check ingestion.delimiter and ingestion.quoting",
    )
