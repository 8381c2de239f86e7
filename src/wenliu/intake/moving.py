"""Moves a file so that it is at one place or the other, whenever the process dies."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from wenliu.disk import fsync


def move(source: Path, target: Path) -> None:
    """Renames, or copies where that is another file system; overwrites ``target``.

    Killed while it copies, it leaves ``source`` as it was.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:  # an inbox may be a network share
            raise
        beside = target.with_name(f".{os.getpid()}")
        shutil.copy2(source, beside)
        fsync(beside)
        beside.replace(target)
        fsync(target.parent)
        source.unlink()
    fsync(target.parent)
    fsync(source.parent)
