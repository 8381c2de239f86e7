"""A folder for what a node puts aside while it runs, on the disk of the versions: links need that.

It goes with the last one who holds something in it. What a killed process left is swept.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

from wenliu import clock
from wenliu.errors import UserError
from wenliu.project import find_project

#: A folder that nobody touched for a day was left by a process that was killed.
_FORGOTTEN_SECONDS = 24 * 3600


class AsideFolder:
    """A new folder, deleted with the last one who holds this object, or when the process ends."""

    def __init__(self) -> None:
        parent = beside_the_versions()
        parent.mkdir(parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(dir=parent))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def beside_the_versions() -> Path:
    """Where such folders are made: on the file system of the versions, as far as we know it."""
    try:
        return find_project() / "data" / ".aside"
    except UserError:
        return Path(tempfile.gettempdir()) / "wenliu-parts"


def sweep_forgotten() -> None:
    """Deletes what processes put aside and, being killed, left there."""
    for left in beside_the_versions().glob("*"):
        with suppress(FileNotFoundError):  # another run's, which is done with it
            if clock.now().timestamp() - left.stat().st_mtime > _FORGOTTEN_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
