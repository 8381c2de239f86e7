"""Files that survive a crash, and their checksums."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path


def fsync(path: Path) -> None:
    """Forces a file, or the entries of a folder, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replaces ``path`` by ``content`` in one step that survives a crash."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    fsync(beside)
    beside.replace(path)
    fsync(path.parent)


def write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Fills ``folder`` so that it is complete or absent, whenever the power fails.

    Args:
        folder: Whatever was there is replaced.
        write: Gets an empty folder beside and puts files into it.
    """
    beside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    write(beside)
    for path in [*beside.rglob("*"), beside]:
        fsync(path)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
    fsync(folder.parent)


def sha256_of(path: Path) -> str:
    """Checksum of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached_sha256(path: Path) -> str:
    """As :func:`sha256_of`; in one process a file is read once as long as it does not change."""
    status = path.stat()
    return _cached_sha256(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@cache
def _cached_sha256(path: Path, size: int, modified: int, changed: int) -> str:
    return sha256_of(path)
