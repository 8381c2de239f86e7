"""Accuracy, precision, recall and F1 from counts.

Everything starts at the confusion matrix, so every number costs one ``bincount`` over the rows.
Undefined ratios (a class without gold or predicted rows) count as 0, as scikit-learn does with
``zero_division=0``. The averages run over the classes that occur in gold or predictions: a class
of the label map that a slice never saw is not an error of the model. Where two models are held
against each other only gold counts (:func:`gold_macro_f1_of`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def label_ids(ids: ArrayLike) -> Ints:
    """Label ids as a flat integer array."""
    return np.asarray(ids, dtype=np.int64).ravel()


def confusion_matrix(gold: ArrayLike, predicted: ArrayLike, n_labels: int) -> Ints:
    """Counts of shape ``(n_labels, n_labels)``: gold in rows, predicted in columns.

    Raises:
        ValueError: When the arrays differ in length or hold an id outside ``range(n_labels)``.
    """
    rows, columns = label_ids(gold), label_ids(predicted)
    if rows.size != columns.size:
        raise ValueError(f"{rows.size} gold labels but {columns.size} predictions")
    for name, ids in (("gold", rows), ("predicted", columns)):
        if ids.size and (ids.min() < 0 or ids.max() >= n_labels):
            raise ValueError(f"{name} holds a label id outside 0..{n_labels - 1}")
    counts = np.bincount(rows * n_labels + columns, minlength=n_labels * n_labels)
    return counts.reshape(n_labels, n_labels).astype(np.int64)


def _ratio(numerator: Any, denominator: Any) -> Floats:
    above, below = np.broadcast_arrays(
        np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    )
    return np.divide(above, below, out=np.zeros(above.shape), where=below > 0)


def accuracy_of(counts: NDArray[Any]) -> Floats:
    """Accuracy of one confusion matrix, or of a stack of shape ``(..., labels, labels)``."""
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def macro_f1_of(counts: NDArray[Any]) -> Floats:
    """Macro-F1 of one confusion matrix, or of a stack of shape ``(..., labels, labels)``."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    seen = counts.sum(axis=-1) + counts.sum(axis=-2)
    return _ratio(_ratio(2 * hits, seen).sum(axis=-1), (seen > 0).sum(axis=-1))


def gold_macro_f1_of(counts: NDArray[Any]) -> Floats:
    """Macro-F1 over the classes that occur in gold, of which there are as many for every model.

    :func:`macro_f1_of` also averages over a class that is only predicted, with an F1 of 0: then one
    row in thousands would cost a model a whole class. Here it costs the recall of the row's class.
    """
    hits, support = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1)
    f1 = _ratio(2 * hits, support + counts.sum(axis=-2))
    return _ratio(f1.sum(axis=-1), (support > 0).sum(axis=-1))  # without gold there are no hits


def macro_recall_of(counts: NDArray[Any]) -> Floats:
    """Mean recall over the classes that occur in gold: 1 / classes for whoever reads no text."""
    hits, support = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1)
    return _ratio(_ratio(hits, support).sum(axis=-1), (support > 0).sum(axis=-1))


def macro_f1(gold: ArrayLike, predicted: ArrayLike, n_labels: int) -> float:
    """Mean F1 over the classes that occur in gold or predictions."""
    return float(macro_f1_of(confusion_matrix(gold, predicted, n_labels)))


def classification_metrics(gold: ArrayLike, predicted: ArrayLike, n_labels: int) -> dict[str, Any]:
    """All counts-based scores of one single-label problem.

    Returns:
        ``rows``, ``accuracy``, ``{macro,micro,weighted}_{precision,recall,f1}`` as plain numbers,
        and lists by label id: ``precision``, ``recall``, ``f1``, ``support``, ``predicted``; the
        confusion matrix as a list of lists (gold in rows).
    """
    counts = confusion_matrix(gold, predicted, n_labels)
    hits, support, claimed = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    by_class = {
        "precision": _ratio(hits, claimed),
        "recall": _ratio(hits, support),
        "f1": _ratio(2 * hits, support + claimed),
    }
    occurring = (support + claimed) > 0
    accuracy = float(accuracy_of(counts))
    scores: dict[str, Any] = {"rows": int(counts.sum()), "accuracy": accuracy}
    for name, values in by_class.items():
        scores[f"macro_{name}"] = float(values[occurring].mean()) if occurring.any() else 0.0
        scores[f"micro_{name}"] = accuracy  # one label a row: all micro averages are the accuracy
        scores[f"weighted_{name}"] = float(_ratio((values * support).sum(), support.sum()))
    scores.update({name: [float(v) for v in values] for name, values in by_class.items()})
    scores["support"] = [int(v) for v in support]
    scores["predicted"] = [int(v) for v in claimed]
    scores["confusion"] = counts.tolist()
    return scores
