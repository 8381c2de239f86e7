"""From logits to probabilities that mean what they say.

Temperature scaling is from Guo et al. 2017, "On Calibration of Modern Neural Networks";
equal-mass bins from Nguyen and O'Connor 2015 (bins of equal width leave most bins empty when a
model is sure of nearly everything). What chance alone makes of a calibrated model is from Bröcker
and Smith 2007, "Increasing the Reliability of Reliability Diagrams".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wenliu.metrics.classification import label_ids

Floats = NDArray[np.float64]

#: Outside of these a temperature says that the model is useless or the sample tiny, not that it
#: is miscalibrated.
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0


class ReliabilityCurve(NamedTuple):
    """One entry for each bin, in order of confidence."""

    confidence: Floats
    accuracy: Floats
    rows: NDArray[np.int64]


def log_softmax(logits: ArrayLike) -> Floats:
    """Log-probabilities over the last axis, in double precision; safe for any finite logits."""
    scores = np.asarray(logits, dtype=np.float64)
    if not scores.size:
        return scores
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Probabilities over the last axis, in double precision; safe for any finite logits."""
    return np.exp(log_softmax(np.asarray(logits, dtype=np.float64) / temperature))


def log_loss(probabilities: ArrayLike, gold: ArrayLike) -> float:
    """Mean negative log-likelihood in nats of ``gold`` under ``(rows, labels)`` probabilities."""
    given, ids = np.asarray(probabilities, dtype=np.float64), label_ids(gold)
    if not ids.size:
        return 0.0
    chosen = np.clip(given[np.arange(ids.size), ids], np.finfo(np.float64).tiny, 1.0)
    return float(-np.log(chosen).mean())


def reliability_curve(
    probabilities: ArrayLike, gold: ArrayLike, bins: int = 15
) -> ReliabilityCurve:
    """Confidence against accuracy in at most ``bins`` bins of (nearly) equal row counts.

    Rows of equal confidence share their bins' mean, so the order of tied rows does not matter.
    """
    given, ids = np.asarray(probabilities, dtype=np.float64), label_ids(gold)
    if not ids.size:
        return ReliabilityCurve(np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    confidence = given.max(axis=1)
    correct = (given.argmax(axis=1) == ids).astype(np.float64)
    _, tie, ties = np.unique(confidence, return_inverse=True, return_counts=True)
    correct = (np.bincount(tie, weights=correct) / ties)[tie]
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, ids.size))
    return ReliabilityCurve(
        np.array([confidence[part].mean() for part in parts]),
        np.array([correct[part].mean() for part in parts]),
        np.array([part.size for part in parts], dtype=np.int64),
    )


def calibration_error(probabilities: ArrayLike, gold: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error: mean distance of confidence and accuracy, weighted by rows."""
    curve = reliability_curve(probabilities, gold, bins)
    if not curve.rows.size:
        return 0.0
    return float(np.average(np.abs(curve.confidence - curve.accuracy), weights=curve.rows))


def chance_error(
    probabilities: ArrayLike,
    bins: int = 15,
    n: int = 400,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Between which bounds the calibration error lies where confidence is right to the digit.

    The error is never 0: it is a mean of distances, and each bin's accuracy swings. On few rows
    that is most of it, so an error says something only above these bounds. Labels are drawn by the
    model's own confidence.

    Args:
        probabilities: ``(rows, labels)``.
        bins: As for ``calibration_error``.
        n: Draws of all labels.
        confidence: Share of the draws between the bounds.
        seed: Of the draws.
    """
    sure = np.sort(np.asarray(probabilities, dtype=np.float64).max(axis=1, initial=0))
    if not sure.size:
        return 0.0, 0.0
    sizes = np.array([part.size for part in np.array_split(sure, min(bins, sure.size))])
    starts = np.cumsum(sizes) - sizes
    expected = np.add.reduceat(sure, starts)
    values, ties = np.unique(sure, return_counts=True)
    random, errors = np.random.default_rng(seed), np.zeros(n)
    for draw in range(n):
        # Tied rows share their hits, as in reliability_curve.
        shared = np.repeat(random.binomial(ties, values.clip(0, 1)) / ties, ties)
        errors[draw] = np.abs(expected - np.add.reduceat(shared, starts)).sum() / sure.size
    low, high = np.quantile(errors, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def fit_temperature(logits: ArrayLike, gold: ArrayLike) -> float:
    """The temperature that gives validation rows their highest likelihood.

    The negative log-likelihood is convex in ``1 / T``, so its derivative is monotone and
    bisection finds the one root within the bounds. Dividing by a positive number never changes
    an argmax. Falls back to 1.0 where no temperature beats it.

    Args:
        logits: ``(rows, labels)``.
        gold: ``(rows,)`` label ids.
    """
    scores, ids = np.asarray(logits, dtype=np.float64), label_ids(gold)
    if ids.size == 0 or scores.shape[1] < 2 or not np.isfinite(scores).all():
        return 1.0
    scores = scores - scores.max(axis=1, keepdims=True)
    target = scores[np.arange(ids.size), ids].mean()

    def slope(inverse: float) -> float:
        """Derivative of the mean negative log-likelihood by the inverse temperature."""
        probabilities = softmax(scores * inverse)
        return float((probabilities * scores).sum(axis=1).mean() - target)

    low, high = 1.0 / HIGHEST_TEMPERATURE, 1.0 / LOWEST_TEMPERATURE
    if slope(low) >= 0:
        inverse = low
    elif slope(high) <= 0:
        inverse = high
    else:
        for _ in range(60):  # 60 halvings leave less than double precision resolves
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) < 0 else (low, middle)
        inverse = (low + high) / 2
    temperature = 1.0 / inverse

    def loss(t: float) -> float:
        return float(-log_softmax(scores / t)[np.arange(ids.size), ids].mean())

    return temperature if loss(temperature) < loss(1.0) else 1.0


def calibration_summary(
    logits: ArrayLike,
    gold: ArrayLike,
    temperature: float,
    bins: int = 15,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """Calibration error, log loss and reliability curve before and after ``temperature``.

    Beside the error after it stand the bounds that chance alone explains (``chance_error``).
    """
    summary: dict[str, Any] = {}
    for name, t in (("before", 1.0), ("after", temperature)):
        probabilities = softmax(logits, t)
        curve = reliability_curve(probabilities, gold, bins)
        summary[f"ece_{name}"] = calibration_error(probabilities, gold, bins)
        summary[f"log_loss_{name}"] = log_loss(probabilities, gold)
        summary[f"curve_{name}"] = {
            "confidence": [float(v) for v in curve.confidence],
            "accuracy": [float(v) for v in curve.accuracy],
            "rows": [int(v) for v in curve.rows],
        }
    summary["ece_chance_low"], summary["ece_chance_high"] = chance_error(
        softmax(logits, temperature), bins, confidence=confidence, seed=seed
    )
    return summary
