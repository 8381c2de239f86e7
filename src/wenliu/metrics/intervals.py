"""How sure a score is: bootstrap intervals and paired tests.

Resampling rows with replacement is a multinomial draw over the distinct row patterns. For scores
that depend on the confusion matrix alone the patterns are its cells, so a thousand resamples of
macro-F1 are one draw over a few hundred cells instead of a thousand passes over the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wenliu.metrics.classification import confusion_matrix, label_ids, macro_f1_of

Floats = NDArray[np.float64]
#: From confusion matrices ``(resamples, labels, labels)`` to scores ``(resamples,)``.
CountsStatistic = Callable[[NDArray[Any]], Floats]

#: Cells of count matrices held at once, 8 bytes each (32 MB).
_CELLS_AT_ONCE = 4_000_000


class Interval(NamedTuple):
    """A score of the sample and its percentile bootstrap bounds."""

    value: float
    low: float
    high: float


class McNemar(NamedTuple):
    """Rows that only one of two classifiers gets right, and the exact two-sided p-value."""

    only_first: int
    only_second: int
    p: float


def bootstrap_interval(
    statistic: Callable[..., float],
    *arrays: ArrayLike,
    n: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of any statistic of rows; all ``arrays`` are resampled together.

    One call of ``statistic`` a resample: for scores of a confusion matrix
    :func:`counts_interval` does the same in milliseconds.
    """
    columns = [np.asarray(array) for array in arrays]
    rows = len(columns[0])
    value = float(statistic(*columns))
    if rows == 0:
        return Interval(value, value, value)
    random = np.random.default_rng(seed)
    scores = np.empty(n)
    for i in range(n):
        chosen = random.integers(0, rows, rows)
        scores[i] = statistic(*(column[chosen] for column in columns))
    return _interval(value, scores, confidence)


def wilson_interval(hits: int, rows: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share: honest for a handful of rows, where resampling is not.

    All of two rows right gives 0.34 to 1; their bootstrap would say 1 to 1.
    """
    if rows == 0:
        return Interval(0.0, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = hits / rows, z * z / rows
    centre = (share + spread / 2) / (1 + spread)
    half = z * ((share * (1 - share) + spread / 4) / rows) ** 0.5 / (1 + spread)
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def counts_interval(
    statistic: CountsStatistic,
    gold: ArrayLike,
    predicted: ArrayLike,
    n_labels: int,
    *,
    n: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of a statistic of the confusion matrix, such as ``macro_f1_of``."""
    counts = confusion_matrix(gold, predicted, n_labels)
    value = float(statistic(counts))
    rows = int(counts.sum())
    if rows == 0:
        return Interval(value, value, value)
    cells = np.flatnonzero(counts)
    random = np.random.default_rng(seed)
    scores = []
    for draws in _batches(n, n_labels * n_labels):
        drawn = np.zeros((draws, n_labels * n_labels), dtype=np.int64)
        drawn[:, cells] = random.multinomial(rows, counts.ravel()[cells] / rows, size=draws)
        scores.append(statistic(drawn.reshape(draws, n_labels, n_labels)))
    return _interval(value, np.concatenate(scores), confidence)


def paired_bootstrap(
    gold: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    n_labels: int,
    *,
    statistic: CountsStatistic = macro_f1_of,
    n: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of ``statistic(first) - statistic(second)`` over the same resampled rows.

    The patterns that are drawn are the distinct triples (gold, first, second), so the two scores
    of a resample always see the same rows.
    """
    value = float(statistic(confusion_matrix(gold, first, n_labels))) - float(
        statistic(confusion_matrix(gold, second, n_labels))
    )
    ids, ours, theirs = label_ids(gold), label_ids(first), label_ids(second)
    if ids.size == 0:
        return Interval(value, value, value)
    triples, counts = np.unique((ids * n_labels + ours) * n_labels + theirs, return_counts=True)
    gold_of, rest = np.divmod(triples, n_labels * n_labels)
    first_of, second_of = np.divmod(rest, n_labels)
    random = np.random.default_rng(seed)
    scores = []
    for draws in _batches(n, max(n_labels * n_labels, triples.size)):
        drawn = random.multinomial(ids.size, counts / ids.size, size=draws)
        matrices = [
            _summed(drawn, gold_of * n_labels + predicted, n_labels)
            for predicted in (first_of, second_of)
        ]
        scores.append(statistic(matrices[0]) - statistic(matrices[1]))
    return _interval(value, np.concatenate(scores), confidence)


def mcnemar(gold: ArrayLike, first: ArrayLike, second: ArrayLike) -> McNemar:
    """Exact McNemar test: is one of two classifiers right more often on the same rows?"""
    ids = label_ids(gold)
    first_right, second_right = label_ids(first) == ids, label_ids(second) == ids
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    return McNemar(only_first, only_second, _binomial_p(only_first, only_first + only_second))


def binomial_tail(hits: int, trials: int) -> float:
    """Probability of at most ``hits`` heads in ``trials`` tosses of a fair coin."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    tail = np.arange(hits + 1)
    log_terms = logs[trials] - logs[tail] - logs[trials - tail] - trials * np.log(2.0)
    return float(min(1.0, np.exp(log_terms).sum()))


def _binomial_p(hits: int, trials: int) -> float:
    """Two-sided exact p-value of ``hits`` in ``trials`` tosses of a fair coin."""
    return min(1.0, 2.0 * binomial_tail(min(hits, trials - hits), trials))


def _summed(drawn: NDArray[Any], cells: NDArray[Any], n_labels: int) -> NDArray[Any]:
    """Adds the columns of ``drawn`` that fall into the same cell of a confusion matrix."""
    order = np.argsort(cells, kind="stable")
    starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
    summed = np.zeros((len(drawn), n_labels * n_labels), dtype=np.int64)
    summed[:, cells[order][starts]] = np.add.reduceat(drawn[:, order], starts, axis=1)
    return summed.reshape(len(drawn), n_labels, n_labels)


def _batches(n: int, cells: int) -> list[int]:
    size = max(1, min(n, _CELLS_AT_ONCE // max(1, cells)))
    return [min(size, n - start) for start in range(0, n, size)]


def _interval(value: float, scores: NDArray[Any], confidence: float) -> Interval:
    low, high = np.quantile(scores, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))
