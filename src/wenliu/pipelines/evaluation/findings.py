"""Single rows worth reading: confident errors, and labels that are probably wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wenliu.metrics import confident_learning
from wenliu.pipelines.evaluation.tables import Ints, Rows

#: Characters of a text in the report.
_CHARS = 160


def confident_errors(
    rows: Rows,
    chosen: Ints,
    probabilities: NDArray[np.float64],
    baseline: NDArray[np.float64],
    labels: Sequence[str],
    n: int,
) -> list[dict[str, Any]]:
    """The errors that the model is surest of, the surest first.

    Args:
        rows: All judged rows.
        chosen: Row numbers to look at.
        probabilities: ``(rows, labels)``, calibrated.
        baseline: ``(rows, labels)`` probabilities of the baseline.
        labels: Names by id.
        n: At most so many.
    """
    predicted = probabilities.argmax(axis=1)
    wrong = chosen[predicted[chosen] != rows.label_id[chosen]]
    order = np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")
    return [
        {
            **_row(rows, i, labels),
            "predicted": labels[predicted[i]],
            "probability": float(probabilities[i, predicted[i]]),
            "label_probability": float(probabilities[i, rows.label_id[i]]),
            "baseline": labels[int(baseline[i].argmax())],
        }
        for i in wrong[order][:n].tolist()
    ]


def label_suspects(
    rows: Rows, chosen: Ints, probabilities: NDArray[np.float64], labels: Sequence[str], n: int
) -> dict[str, Any]:
    """Rows of ``chosen`` whose label confident learning doubts: how many, and the first ``n``."""
    among = probabilities[chosen]
    found = confident_learning(among, rows.label_id[chosen])
    shown = []
    for position in found[:n].tolist():
        i = int(chosen[position])
        others = among[position].copy()
        others[rows.label_id[i]] = -1.0
        suggested = int(others.argmax())
        shown.append(
            {
                **_row(rows, i, labels),
                "suggested": labels[suggested],
                "label_probability": float(among[position, rows.label_id[i]]),
                "suggested_probability": float(others[suggested]),
            }
        )
    return {"rows": int(chosen.size), "suspects": int(found.size), "shown": shown}


def _row(rows: Rows, i: int, labels: Sequence[str]) -> dict[str, Any]:
    text = rows.text[i]
    return {
        "id": rows.id[i],
        "split": str(rows.split[i]),
        "label": labels[rows.label_id[i]],
        "text": text if len(text) <= _CHARS else text[: _CHARS - 1] + "…",
        "leak": bool(rows.leak[i]),
    }
