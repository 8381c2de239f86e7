"""Opening raw files: gzip seen by its first bytes, size and expansion limited while reading."""

from __future__ import annotations

import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from wenliu.disk import cached_sha256
from wenliu.errors import UserError
from wenliu.readers.options import ReadOptions

BLOCK_BYTES = 1 << 18
#: Below this many bytes even a large ratio does no harm, and repetitive small files reach one.
_RATIO_FLOOR = 1 << 20
#: What a temporary copy of a decompressed workbook may take in memory before it goes to disk.
_SPOOL_BYTES = 32 << 20


class GuardedStream(io.RawIOBase):
    """Reads at most ``max_file_bytes``, and no more than ``max_expansion`` times the file.

    Args:
        path: The file; gzip is recognised by its first two bytes, not by its name.
        options: The limits.
    """

    def __init__(self, path: Path, options: ReadOptions) -> None:
        super().__init__()
        self._path, self._options = path, options
        self._file: BinaryIO = _open_regular(path)
        self._total = 0
        self.compressed = self._file.read(2) == b"\x1f\x8b"
        self._file.seek(0)
        self._stream: BinaryIO = (
            gzip.GzipFile(fileobj=self._file)  # type: ignore[assignment]
            if self.compressed
            else self._file
        )

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, or one block.

        Raises:
            UserError: A limit is passed, or the gzip stream is broken.
        """
        try:
            data = self._stream.read(BLOCK_BYTES if size < 0 else size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(
                f"The gzip file is damaged or incomplete ({error}).",
                where=str(self._path),
                remedy="copy or download it again",
            ) from error
        self._total += len(data)
        if self._total > self._options.max_file_bytes:
            raise UserError(
                f"The file holds more than {self._options.max_file_bytes:,} bytes.",
                where=str(self._path),
                remedy="raise ingestion.max_file_bytes if the file is meant to be that large, "
                "or split it",
            )
        if self.compressed and self._total > _RATIO_FLOOR:
            ratio = self._total / max(1, self._file.tell())
            if ratio > self._options.max_expansion:
                raise UserError(
                    f"The compressed file expands more than {self._options.max_expansion:g} times, "
                    "as a decompression bomb does.",
                    where=str(self._path),
                    remedy="raise ingestion.max_expansion if you trust it",
                )
        return data

    def close(self) -> None:
        """Closes the file."""
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()


def is_gzip(path: Path) -> bool:
    """Whether the file starts as gzip does."""
    with _open_regular(path) as file:
        return file.read(2) == b"\x1f\x8b"


def read_head(path: Path, options: ReadOptions, size: int = 64 << 10) -> bytes:
    """The first bytes after decompression."""
    with GuardedStream(path, options) as stream:
        head = b""
        while len(head) < size and (data := stream.read(size - len(head))):
            head += data
    return head


@contextmanager
def seekable(path: Path, options: ReadOptions) -> Iterator[BinaryIO]:
    """The decompressed file, for formats whose index stands at the end (xlsx, parquet)."""
    if not is_gzip(path):
        _check_size(path, options)
        with _open_regular(path) as file:
            yield file
        return
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as copy:
        with GuardedStream(path, options) as stream:
            while data := stream.read(BLOCK_BYTES):
                copy.write(data)
        copy.seek(0)
        yield copy  # type: ignore[misc]


def file_sha256(path: Path) -> str:
    """Hash of the file as it lies on disk, compressed or not."""
    _open_regular(path).close()
    return cached_sha256(path)


def _check_size(path: Path, options: ReadOptions) -> None:
    size = path.stat().st_size
    if size > options.max_file_bytes:
        raise UserError(
            f"The file holds {size:,} bytes, more than {options.max_file_bytes:,}.",
            where=str(path),
            remedy="raise ingestion.max_file_bytes if the file is meant to be that large",
        )


def _open_regular(path: Path) -> BinaryIO:
    # A pipe or a device would block or never end.
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist or is no regular file"
        raise UserError(f"{path.name} {kind}.", where=str(path), remedy="name a data file")
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"The file cannot be opened: {error.strerror}.", where=str(path)) from error
    if path.stat().st_size == 0:
        file.close()
        raise UserError(
            "The file is empty.", where=f"{path}, line 1", remedy="remove it or fill it"
        )
    return file
