"""Parquet files, batch by batch with pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wenliu.errors import UserError
from wenliu.readers.encodings import find_bad, printable
from wenliu.readers.options import BadRow, ReadOptions, Row
from wenliu.readers.sources import seekable
from wenliu.readers.values import as_text

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_BATCH_ROWS = 1000
_RATIO_FLOOR = 64 << 20


def parquet_columns(path: Path, options: ReadOptions) -> tuple[str, ...]:
    """Names of the top-level columns."""
    with _parquet(path, options) as file:
        return tuple(file.schema_arrow.names)


def iter_parquet(path: Path, options: ReadOptions) -> Iterator[Row | BadRow]:
    """Rows of a Parquet file, numbered from 1.

    Raises:
        UserError: The file is damaged or over a limit.
    """
    import pyarrow as pa

    columns = options.columns or ()
    number = total = 0
    with _parquet(path, options) as file:
        try:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                total += batch.nbytes
                if total > options.max_file_bytes:
                    raise _too_large(path, total, options)
                arrays = [_texts(array) for array in batch.columns]
                for values in zip(*arrays, strict=True):
                    number += 1
                    yield _row(number, list(values), columns, options)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _damaged(path, error) from error


def _texts(array: Any) -> list[str | None]:
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        # Parquet does not promise that its strings are UTF-8: read bytes, decode where it is not.
        binary = array.cast(pa.large_binary())
        return [as_text(value) for value in binary.to_pylist()]
    return [as_text(value) for value in array.to_pylist()]


def _row(
    number: int, values: list[str | None], columns: tuple[str, ...], options: ReadOptions
) -> Row | BadRow:
    content = "\t".join(value or "" for value in values)
    if bad := find_bad(values, columns):
        return BadRow(number, *bad, printable(content))
    if len(content) > options.max_row_chars:
        reason = f"longer than {options.max_row_chars:,} characters"
        return BadRow(number, None, reason, printable(content))
    return Row(number, values)


@contextmanager
def _parquet(path: Path, options: ReadOptions) -> Iterator[pq.ParquetFile]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with seekable(path, options) as source:
        try:
            file = pq.ParquetFile(source)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        size = sum(group.total_byte_size for group in groups)
        packed = max(1, path.stat().st_size)
        if size > options.max_file_bytes or (
            size > _RATIO_FLOOR and size > options.max_expansion * packed
        ):
            raise _too_large(path, size, options)
        yield file


def _too_large(path: Path, size: int, options: ReadOptions) -> UserError:
    return UserError(
        f"The Parquet file holds {size:,} bytes of data, more than max_file_bytes "
        f"({options.max_file_bytes:,}) or max_expansion ({options.max_expansion:g} times) allow.",
        where=str(path),
        remedy="raise the limit in ingestion.yml if you trust the file",
    )


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"The Parquet file is damaged or incomplete ({error}).",
        where=str(path),
        remedy="copy it again",
    )
