"""The bundle that predicts: found when a node asks for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from wenliu.errors import UserError


class ServingBundleDataset(AbstractDataset[Any, Any]):
    """Finds the champion of a problem, else its newest verified bundle.

    Args:
        path: The project's root.
        problem: As in ``globals.yml``.
        metadata: For Kedro-Viz.
    """

    def __init__(self, path: str, problem: str, metadata: dict[str, Any] | None = None) -> None:
        self._project = Path(path)
        self._problem = problem
        self.metadata = metadata

    def load(self) -> Callable[[str | None], tuple[Path, str]]:
        """A function from the bundle asked for (or None) to its folder and a sentence about it."""
        from wenliu.serving.locate import locate_bundle

        return partial(locate_bundle, self._project, self._problem)

    def save(self, data: Any) -> None:
        """Bundles are made by export."""
        raise UserError("A bundle is made by the export stage.", remedy="kedro run")

    def _describe(self) -> dict[str, Any]:
        return {"project": str(self._project), "problem": self._problem}
