"""One way to read any file row by row, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wenliu.readers.delimited import iter_delimited
from wenliu.readers.json_files import iter_json, iter_jsonl
from wenliu.readers.options import BadRow, ReadOptions, Row
from wenliu.readers.parquet import iter_parquet
from wenliu.readers.workbook import iter_xlsx

if TYPE_CHECKING:
    from wenliu.readers.sniffing import Sniffed

_READERS = {
    "csv": iter_delimited,
    "tsv": iter_delimited,
    "json": iter_json,
    "jsonl": iter_jsonl,
    "xlsx": iter_xlsx,
    "parquet": iter_parquet,
}


def iter_rows(path: Path, found: Sniffed | ReadOptions | None = None) -> Iterator[Row | BadRow]:
    """Rows of a file in order, bad ones in their place.

    Args:
        path: Any of the formats, perhaps gzipped.
        found: What ``sniff`` returned for the path. With options or nothing the file is sniffed
            first; the values then stand in the order of its columns, which the caller can only
            know from ``sniff``.

    Yields:
        ``Row`` with one text for each column, or ``BadRow`` with the reason.

    Raises:
        UserError: The file cannot be read on: broken structure, damaged, or over a limit.
    """
    if found is None or isinstance(found, ReadOptions):
        from wenliu.readers.sniffing import sniff

        found = sniff(path, found or ReadOptions())
    yield from _READERS[found.options.format](path, found.options)
