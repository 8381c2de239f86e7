"""How good a model really is: messages with clean labels that no night has seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wenliu.simulate.texts import Row

#: The standard error of a difference of accuracy is then about half a point.
TRUTH_ROWS = 2000


class Truth:
    """Scores bundles on hidden rows.

    Args:
        rows: Of labels that every model knows.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._known: dict[Path, float] = {}

    def accuracy(self, bundle: Path) -> float:
        """Share of the hidden rows that a bundle labels right; loads and verifies it once.

        Raises:
            UserError: The bundle cannot be loaded.
        """
        folder = bundle.resolve()
        if folder not in self._known:
            self._known[folder] = self._measure(folder)
        return self._known[folder]

    def _measure(self, folder: Path) -> float:
        from wenliu.serving.bundle import Bundle

        bundle = Bundle.load(folder, engine="onnxruntime", threads=1)
        predictions = bundle.predict([row.text for row in self._rows])
        hits = sum(p.label == row.label for p, row in zip(predictions, self._rows, strict=True))
        return hits / len(self._rows)
