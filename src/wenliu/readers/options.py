"""What a reader is told and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Format = Literal["auto", "csv", "tsv", "json", "jsonl", "xlsx", "parquet"]
Quoting = Literal["auto", "minimal", "none"]

#: Columns that have a meaning for the project.
ROLES = ("text", "label", "id", "split", "group")


@dataclass(frozen=True)
class ReadOptions:
    """How a file is to be read; ``auto`` and ``None`` are found by ``sniff``.

    Attributes:
        format: Of the content, whatever the file is called; a ``.gz`` around it is always seen.
        encoding: A Python codec name; ignored by xlsx and parquet.
        delimiter: One character between the fields of a line.
        quoting: ``minimal`` as RFC 4180 has it, ``none`` takes quotes for ordinary characters.
        header: Whether the first row names the columns.
        sheet: Name of a worksheet or its position from 0.
        skip_rows: Rows above the header, such as the title of a worksheet.
        columns: Names of all columns, decided by ``sniff``.
        wrong_width: Whether a delimited row with more or fewer fields than columns stops the
            reading (a training set with shifted columns teaches nonsense) or is a bad row.
        max_file_bytes: After decompression.
        max_expansion: Largest ratio of decompressed to compressed bytes.
        max_row_chars: Longest row.
    """

    format: Format = "auto"
    encoding: str = "auto"
    delimiter: str = "auto"
    quoting: Quoting = "auto"
    header: Literal["auto"] | bool = "auto"
    sheet: str | int | None = None
    skip_rows: int | None = None
    columns: tuple[str, ...] | None = None
    wrong_width: Literal["stop", "bad_row"] = "stop"
    max_file_bytes: int = 4 * 2**30
    max_expansion: float = 100.0
    max_row_chars: int = 1_000_000


class Row(NamedTuple):
    """One record.

    Attributes:
        line: Where it starts in the file, from 1 (xlsx and parquet: row; json: line).
        values: One for each column, always text; None where a JSON or Parquet row has nothing.
    """

    line: int
    values: list[str | None]


class BadRow(NamedTuple):
    r"""A record that cannot be used, and why.

    Attributes:
        line: As in ``Row``.
        column: Name of the column, where one is to blame.
        reason: One sentence without a full stop.
        content: The raw record, cut to 1,000 characters, undecodable bytes as ``\xff``.
    """

    line: int
    column: str | None
    reason: str
    content: str
