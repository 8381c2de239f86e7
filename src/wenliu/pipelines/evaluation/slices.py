"""Scores by length, source and script: where the model is weaker than its average."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wenliu.metrics import macro_f1, wilson_interval
from wenliu.params import EvaluationParams
from wenliu.pipelines.evaluation.tables import Ints

#: Sources beyond the largest twenty are one slice.
_MOST_SOURCES = 20


def length_slices(lengths: Ints) -> list[str]:
    """The quarter of the lengths that each row is in, such as ``12–30 characters``."""
    if not lengths.size:
        return []
    borders = np.unique(np.quantile(lengths, [0.25, 0.5, 0.75], method="inverted_cdf"))
    number = np.searchsorted(borders, lengths, side="left")
    names = {}
    for i in np.unique(number):
        inside = lengths[number == i]
        low, high = int(inside.min()), int(inside.max())
        names[i] = f"{low}–{high} characters" if low < high else f"{low} characters"
    return [names[i] for i in number]


def source_slices(sources: NDArray[np.str_]) -> list[str]:
    """The file of each row; rare files together as ``other``."""
    names, counts = np.unique(sources, return_counts=True)
    frequent = set(names[np.argsort(-counts, kind="stable")][:_MOST_SOURCES].tolist())
    return [name if name in frequent else "other" for name in sources.tolist()]


def score_slices(
    names: Iterable[str],
    gold: Ints,
    predicted: Ints,
    baseline: Ints,
    n_labels: int,
    params: EvaluationParams,
) -> list[dict[str, Any]]:
    """Scores of each slice, in the order in which the names first appear."""
    of_row = np.array(list(names), dtype=np.str_)
    scored = []
    for name in dict.fromkeys(of_row.tolist()):
        rows = of_row == name
        hits = int((predicted[rows] == gold[rows]).sum())
        interval = wilson_interval(hits, int(rows.sum()), params.confidence)
        scored.append(
            {
                "slice": name,
                "rows": int(rows.sum()),
                "accuracy": interval.value,
                "accuracy_low": interval.low,
                "accuracy_high": interval.high,
                "macro_f1": macro_f1(gold[rows], predicted[rows], n_labels),
                "baseline_accuracy": float((baseline[rows] == gold[rows]).mean()),
            }
        )
    return scored
