"""Which accepted files are settled, as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from wenliu.errors import UserError
from wenliu.inbox import Folders
from wenliu.settled import read_settled


class SettledIntakesDataset(AbstractDataset[Any, Any]):
    """What ``wenliu.settled.read_settled`` finds.

    Args:
        path: Folder of the problem's raw files.
        metadata: For Kedro-Viz.
    """

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._folders = Folders(Path(path))
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        """``until``, ``files`` and ``labels``; where nothing is settled, nothing in them."""
        return read_settled(self._folders)

    def save(self, data: Any) -> None:
        """No node settles anything: a night has passed when all of them have run."""
        raise UserError("Intakes are settled by nights that have passed only.")

    def content(self) -> dict[str, Any]:
        """What :meth:`load` returns: a fingerprint's part."""
        return read_settled(self._folders)

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._folders.root)}
