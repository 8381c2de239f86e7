"""The bundle that predicts: found and loaded when a node asks for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from wenliu.errors import UserError

if TYPE_CHECKING:
    from wenliu.serving.bundle import Bundle


class ServingBundleDataset(AbstractDataset[Any, Any]):
    """Loads the champion of a problem, else its newest verified bundle.

    Args:
        path: The project's root.
        problem: As in ``globals.yml``.
        metadata: For Kedro-Viz.
    """

    def __init__(self, path: str, problem: str, metadata: dict[str, Any] | None = None) -> None:
        self._project = Path(path)
        self._problem = problem
        self.metadata = metadata

    def load(self) -> Callable[..., tuple[Bundle, str]]:
        """From the bundle asked for (or None) to the loaded one and a sentence about it.

        The options are those of ``Bundle.load``.
        """
        from wenliu.serving.loading import load_bundle

        return partial(load_bundle, self._project, self._problem)

    def save(self, data: Any) -> None:
        """Bundles are made by export."""
        raise UserError("A bundle is made by the export stage.", remedy="kedro run")

    def _describe(self) -> dict[str, Any]:
        return {"project": str(self._project), "problem": self._problem}
