"""Which files in the inbox are finished.

Nothing is opened here: a pipe would block, a link may lead anywhere.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

#: Beside ``X.csv``: whoever put ``X.csv.done`` there says that ``X.csv`` is complete.
DONE = ".done"
#: What browsers, rsync, editors, office programs and sync clients call a file that is not finished.
_UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".download",
               ".swp", ".lock", "~")  # fmt: skip
_OFFICE = ("~$", "~syncthing~")


@dataclass(frozen=True)
class Arrival:
    """Something in the inbox.

    Attributes:
        path: Where it lies.
        reason: Why it is not taken; empty for a finished file.
    """

    path: Path
    reason: str = ""


@dataclass(frozen=True)
class _Look:
    """One look at a file: any write to it changes this, whatever times a copying tool sets."""

    size: int
    modified: int
    changed: int

    def age(self) -> float:
        """Seconds since the kernel last saw it change; negative where clocks differ."""
        return time.time() - self.changed / 1e9


def arrivals(inbox: Path, settle: float) -> list[Arrival]:
    """Everything in the inbox but what is hidden, sorted by name.

    A file is finished if a ``.done`` file lies beside it, or if it has not changed for ``settle``
    seconds; this waits so long, at most, for files that are younger.

    Args:
        inbox: The folder; it need not be there.
        settle: Seconds.
    """
    first = _look(inbox)
    young = [
        name
        for name, look in first.items()
        if not _unfit(name, first) and _is_young(look, settle) and name + DONE not in first
    ]
    if young:
        logging.getLogger(__name__).info("waiting %g s for %s", settle, ", ".join(young))
        time.sleep(settle)
    second = _look(inbox)
    return [
        Arrival(inbox / name, _reason(name, first.get(name), second))
        for name in sorted(second)
        if not (name.endswith(DONE) and name.removesuffix(DONE) in second)
    ]


def is_regular(path: Path) -> bool:
    """Whether it is a file, and neither a link nor anything else."""
    return stat.S_ISREG(path.lstat().st_mode)


def _look(inbox: Path) -> dict[str, _Look | str]:
    """State of each file, or what it is instead of one."""
    found: dict[str, _Look | str] = {}
    if not inbox.is_dir():
        return found
    with os.scandir(inbox) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # taken away meanwhile
                continue
            found[entry.name] = _kind(status.st_mode) or _Look(
                status.st_size, status.st_mtime_ns, status.st_ctime_ns
            )
    return found


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return ""
    if stat.S_ISLNK(mode):
        return "is a link: put the file itself here"
    if stat.S_ISDIR(mode):
        return "is a folder: put its files here"
    return "is no regular file (a pipe, a socket or a device)"


def _is_young(look: _Look | str, settle: float) -> bool:
    return isinstance(look, _Look) and settle > 0 and not settle <= look.age()


def _reason(name: str, before: _Look | str | None, now: dict[str, _Look | str]) -> str:
    """Why a file is not taken; empty if it is."""
    if unfit := _unfit(name, now):
        return unfit
    if name + DONE not in now and before != now[name]:
        return "is still being written"
    return ""


def _unfit(name: str, found: dict[str, _Look | str]) -> str:
    """Why a file is not taken however long it lies there."""
    look = found[name]
    if isinstance(look, str):
        return look
    if name.endswith(DONE):
        return f"marks {name.removesuffix(DONE)}, which is not here"
    if name.startswith(_OFFICE) or name.lower().endswith(_UNFINISHED):
        return "has the name of a file that is not finished"
    if not name.isprintable():  # surrogates too: bytes that are no UTF-8
        return "has a name with unreadable characters: rename it"
    return ""
