"""A folder that outlives a failed fit."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from wenliu.errors import UserError

#: A workspace that nobody touched for a week belongs to a fit that nobody will resume.
FORGOTTEN_SECONDS = 7 * 24 * 3600


class WorkspaceDataset(AbstractDataset[Any, Any]):
    """Where training and export write large files before they become versions.

    The folder is named by the fingerprint of the fit, so that a run with the same data, code and
    parameters finds what a failed one left. It is kept until export succeeds.

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
        """The folder; it exists."""
        folder = self._used[-1]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def save(self, data: Any) -> None:
        """A workspace is written into, not saved."""
        raise UserError("A workspace is a folder to write into.", where=str(self._path))

    def clear(self) -> None:
        """Deletes the workspaces of this run (its results are versions now) and forgotten ones."""
        forgotten = {
            folder
            for folder in self._path.glob("*")
            if time.time() - folder.stat().st_mtime > FORGOTTEN_SECONDS
        }
        for folder in {*self._used, *forgotten}:
            shutil.rmtree(folder, ignore_errors=True)

    def _exists(self) -> bool:
        return self._used[-1].is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
