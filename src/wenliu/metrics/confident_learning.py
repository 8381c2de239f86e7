"""Rows whose given label is probably wrong.

Confident learning of Northcutt, Jiang and Chuang 2021 (JAIR 70): a class counts as *confident*
for a row when its probability reaches the mean probability that the class gets on rows carrying
its label. A row whose most probable confident class is not its own label lies off the diagonal of
the confident joint and is suspect.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wenliu.metrics.classification import label_ids


def confident_learning(probabilities: ArrayLike, gold: ArrayLike) -> NDArray[np.int64]:
    """Suspect rows, the most suspect first.

    Args:
        probabilities: ``(rows, labels)`` of a model that has not been trained on these rows.
        gold: ``(rows,)`` given label ids.

    Returns:
        Row numbers, ranked by the margin between the probability of the given label and the
        highest one of another label (most negative first; ties in row order).
    """
    given, ids = np.asarray(probabilities, dtype=np.float64), label_ids(gold)
    if ids.size == 0:
        return np.zeros(0, dtype=np.int64)
    rows = np.arange(ids.size)
    confident = np.where(given >= confident_thresholds(given, ids), given, -1.0)
    best = confident.argmax(axis=1)
    suspect = (confident[rows, best] >= 0) & (best != ids)
    others = given.copy()
    others[rows, ids] = -1.0
    margin = given[rows, ids] - others.max(axis=1)
    found = np.flatnonzero(suspect)
    return found[np.argsort(margin[found], kind="stable")]


def confident_thresholds(probabilities: ArrayLike, gold: ArrayLike) -> NDArray[np.float64]:
    """Mean self-confidence of each class; infinite for a class without rows."""
    given, ids = np.asarray(probabilities, dtype=np.float64), label_ids(gold)
    n_labels = given.shape[1]
    counts = np.bincount(ids, minlength=n_labels)
    sums = np.bincount(ids, weights=given[np.arange(ids.size), ids], minlength=n_labels)
    return np.divide(sums, counts, out=np.full(n_labels, np.inf), where=counts > 0)
