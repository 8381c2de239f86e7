"""A folder that outlives a failed fit."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from wenliu.clock import now
from wenliu.disk import write_atomically
from wenliu.errors import UserError

#: A workspace that nobody asked for in a week belongs to a fit that nobody will resume.
FORGOTTEN = timedelta(days=7)
#: Folders that are kept beside those of this run: fit and export of the last two that failed. One
#: of bert-base with two checkpoints is 3 GB.
KEPT = 4
#: In a workspace: when it was last asked for.
USED = "used.txt"


class WorkspaceDataset(AbstractDataset[Any, Any]):
    """Where training and export write large files before they become versions.

    The folder is named by the fingerprint of the fit, so that a run with the same data, code and
    parameters finds what a failed one left. It is kept until export succeeds, for a week, or until
    four newer ones have been left behind.

    Args:
        path: Parent of the workspaces.
        metadata: For Kedro-Viz.
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata
        self._used: list[Path] = [self._path / "default"]

    def claim(self, fingerprint: str) -> None:
        """Turns to the folder of a fit; ``clear`` deletes it even if it is never loaded."""
        self._used.append(self._path / fingerprint)

    def load(self) -> Path:
        """The folder; it exists. Those that nobody will come back to are deleted first."""
        folder = self._used[-1]
        self._forget()
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / USED, now().isoformat())
        return folder

    def save(self, data: Any) -> None:
        """A workspace is written into, not saved."""
        raise UserError("A workspace is a folder to write into.", where=str(self._path))

    def clear(self) -> None:
        """Deletes the workspaces of this run (its results are versions now) and forgotten ones."""
        for folder in self._used:
            shutil.rmtree(folder, ignore_errors=True)
        self._forget()

    def _forget(self) -> None:
        """Deletes what is too old or too much, but nothing that this run has claimed."""
        others = [folder for folder in self._path.glob("*") if folder not in self._used]
        others.sort(key=_last_used, reverse=True)
        oldest = now() - FORGOTTEN
        for number, folder in enumerate(others):
            if number >= KEPT or _last_used(folder) < oldest:
                shutil.rmtree(folder, ignore_errors=True)

    def _exists(self) -> bool:
        return self._used[-1].is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}


def _last_used(folder: Path) -> datetime:
    """As it says; of a folder that does not, when it was last written into."""
    try:
        return datetime.fromisoformat((folder / USED).read_text("utf-8"))
    except (OSError, ValueError):
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC)
