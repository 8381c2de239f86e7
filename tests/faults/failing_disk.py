"""A disk that fails at the k-th operation: every write, fsync, rename and link is counted."""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Functions of ``os`` that change the disk, as pathlib, shutil and we call them.
_CHANGES = ("fsync", "rename", "replace", "link", "symlink", "mkdir", "write")


class FailingDisk:
    """Counts operations below a folder; the one numbered ``fail_at`` raises an ``OSError``.

    Attributes:
        count: Operations so far.
        failed: What failed, if anything did.
    """

    def __init__(self, fail_at: int | None, code: int = errno.ENOSPC) -> None:
        self.fail_at, self.code = fail_at, code
        self.count = 0
        self.failed: str | None = None

    def tick(self, what: str) -> None:
        self.count += 1
        if self.count == self.fail_at:
            self.failed = what
            raise OSError(self.code, os.strerror(self.code), what)


@contextmanager
def failing_disk(
    folder: Path, fail_at: int | None, monkeypatch: Any, code: int = errno.ENOSPC
) -> Iterator[FailingDisk]:
    """While this is open, the disk below ``folder`` counts, and fails once.

    What C++ writes (Parquet, Arrow) passes Python by: ``RLIMIT_FSIZE`` and strace are for that.
    """
    disk = FailingDisk(fail_at, code)
    below = str(folder)

    def counted(name: str, real: Any) -> Any:
        def change(*args: Any, **kwargs: Any) -> Any:
            place = args[0] if isinstance(args[0], int) else os.fspath(args[0])
            if isinstance(place, int) or str(place).startswith(below):
                disk.tick(name)
            return real(*args, **kwargs)

        return change

    real_open = io.open

    def open_(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        stream = real_open(file, mode, *args, **kwargs)
        if any(letter in mode for letter in "wax+") and str(file).startswith(below):
            return _Stream(stream, disk)
        return stream

    with monkeypatch.context() as patch:
        for name in _CHANGES:
            patch.setattr(os, name, counted(name, getattr(os, name)))
        patch.setattr(io, "open", open_)
        patch.setattr(builtins, "open", open_)
        yield disk


class _Stream:
    """A file whose writing counts."""

    def __init__(self, stream: Any, disk: FailingDisk) -> None:
        self._stream, self._disk = stream, disk

    def write(self, content: Any) -> Any:
        self._disk.tick("write")
        return self._stream.write(content)

    def __enter__(self) -> _Stream:
        self._stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._stream.__exit__(*error)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
