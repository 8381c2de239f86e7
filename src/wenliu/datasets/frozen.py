"""The frozen sets of a problem, as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from wenliu.errors import UserError


class FrozenSetsDataset(AbstractDataset[Any, Any]):
    """What ``frozen.yml`` of the problem holds, or ``{}`` where the problem is not frozen.

    Args:
        path: The folder of configuration.
        problem: The name of the problem.
        metadata: For Kedro-Viz.
    """

    def __init__(self, path: str, problem: str, metadata: dict[str, Any] | None = None) -> None:
        self._project = Path(path).parent
        self._problem = problem
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        """The content as it stands there; ``wenliu.frozen.Frozen.of`` reads it."""
        from wenliu.frozen import read_content

        return read_content(self._project, self._problem)

    def save(self, data: Any) -> None:
        """A run never freezes anything."""
        raise UserError("The frozen sets are written by `wenliu freeze` only.")

    def checksum(self) -> str:
        """sha256 of the file; empty where there is none."""
        from wenliu.disk import sha256_of
        from wenliu.frozen import frozen_file

        path = frozen_file(self._project, self._problem)
        return sha256_of(path) if path else ""

    def _exists(self) -> bool:
        return bool(self.checksum())

    def _describe(self) -> dict[str, Any]:
        return {"project": str(self._project), "problem": self._problem}
