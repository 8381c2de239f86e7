"""Who changed what in the registry, when and why: one JSON line a change, only ever appended.

The change is made already when its line is written, so a line that cannot be written (a full disk)
is a warning: MLflow's tags hold the reason, too.
"""

from __future__ import annotations

import json
import logging
import os
from getpass import getuser
from pathlib import Path
from typing import Any

from wenliu import clock

_NAME = "registry_log.jsonl"


def log_path(project: Path, problem: str) -> Path:
    """Where a problem's log is."""
    return project / "data/08_reporting" / problem / _NAME


def append(path: Path, what: str, version: int, reason: str, **more: Any) -> None:
    """Adds a line and forces it onto the disk; where that fails, it goes to the program's log.

    Args:
        path: Of the log.
        what: ``promote``, ``rollback``, ``challenger``, ``reconcile`` or ``delete``.
        version: The registered version that it is about.
        reason: In a sentence.
        more: Further facts, as JSON can hold them.
    """
    entry = {
        "at": clock.now().isoformat(timespec="seconds"),
        "who": user(),
        "what": what,
        "version": version,
        "reason": reason,
        **more,
    }
    line = json.dumps(entry, ensure_ascii=False) + "\n"
    try:
        _append(path, line)
    except OSError as error:
        logging.getLogger(__name__).warning("%s is not written (%s): %s", path, error, line.strip())


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if file.tell() and not _ends_with_newline(path):
            line = "\n" + line  # whoever wrote the last one was killed
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[dict[str, Any]]:
    """All entries, oldest first; a line that was cut off is left out."""
    if not path.is_file():
        return []
    entries = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def user() -> str:
    """Who runs this process."""
    try:
        return getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return str(os.getuid())
