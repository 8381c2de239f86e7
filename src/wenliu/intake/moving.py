"""Moves a file so that it is at one place or the other, whenever the process dies."""

from __future__ import annotations

import errno
import os
import shutil
from itertools import count
from pathlib import Path

from wenliu.disk import fsync

#: What a copy is called before it has the name of its file.
BESIDE = ".moving"


def move(source: Path, target: Path) -> None:
    """Renames, or copies where that is another file system; overwrites ``target``.

    Killed while it copies, it leaves ``source`` as it was.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:  # an inbox may be a network share
            raise
        beside = target.with_name(f"{BESIDE}.{os.getpid()}")
        shutil.copy2(source, beside)
        fsync(beside)
        beside.replace(target)
        fsync(target.parent)
        source.unlink()
    fsync(target.parent)
    fsync(source.parent)


def put_back(source: Path, folder: Path) -> Path:
    """Moves a file into a folder in which others work, and overwrites nothing there.

    Returns:
        Where it lies now: under its name, or under that with a number where it is taken.
    """
    stem, dot, suffixes = source.name.partition(".")
    for number in count(1):
        target = folder / (source.name if number == 1 else f"{stem} ({number}){dot}{suffixes}")
        try:
            os.link(source, target)  # unlike a rename it fails where there is a file
        except FileExistsError:
            continue
        except OSError:  # a file system without links, or no file
            if os.path.lexists(target):
                continue
            source.rename(target)
        else:
            source.unlink()
        fsync(folder)
        fsync(source.parent)
        return target
    raise AssertionError
