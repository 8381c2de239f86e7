"""Is the new model at least as good as the old one? The statistics of that question.

Both models answer the same rows, so only the rows on which they differ say anything: a paired
bootstrap for the difference of macro-F1, exact sign tests for slices. How often a rule would
promote which model is simulated with these very functions in ``benchmarks/gate.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from wenliu.metrics.classification import gold_macro_f1_of, label_ids, macro_recall_of
from wenliu.metrics.intervals import Interval, binomial_tail, counts_interval, paired_bootstrap

#: The margin falls from the first to the second, which it reaches at 5,000 rows.
_WIDEST, _NARROWEST = 0.010, 0.005
#: Rows at which the margin starts to fall.
_FALLS_FROM = 1250


class Flips(NamedTuple):
    """Rows that exactly one of the two models gets right."""

    fixed: int
    broken: int


def margin(rows: int) -> float:
    """How much worse than the champion the lower bound of a challenger may be, as a share.

    One point up to 1,250 rows, half a point from 5,000 on, and between them as the standard error
    falls: there an equally good model passes equally often, whatever the number of rows.
    """
    if rows <= 0:
        return _WIDEST
    return max(_NARROWEST, min(_WIDEST, _WIDEST * math.sqrt(_FALLS_FROM / rows)))


def compare(
    gold: ArrayLike,
    challenger: ArrayLike,
    champion: ArrayLike,
    n_labels: int,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Macro-F1 of the challenger minus that of the champion, with one-sided bounds.

    Both are averages over the labels that occur in ``gold``. A label added after the rows were
    frozen has none among them: predicting it is an error on that row and no class of its own.

    Args:
        gold: ``(rows,)`` label ids.
        challenger: ``(rows,)`` predicted ids.
        champion: ``(rows,)`` predicted ids.
        n_labels: Of the longer label map.
        confidence: Of each bound by itself.
        resamples: Of the paired bootstrap.
        seed: Of the resamples.

    Returns:
        The difference; ``low`` and ``high`` are each passed by chance in ``1 - confidence`` of all
        samples. Identical predictions give exactly 0, 0, 0.
    """
    return paired_bootstrap(
        gold,
        challenger,
        champion,
        n_labels,
        statistic=gold_macro_f1_of,
        n=resamples,
        confidence=_two_sided(confidence),
        seed=seed,
    )


def non_inferior(difference: Interval, rows: int) -> bool:
    """Whether the challenger is not worse than the champion by more than the margin."""
    return difference.low > -margin(rows)


def superior(difference: Interval) -> bool:
    """Whether the challenger is better than the champion beyond chance."""
    return difference.low > 0


def above_chance(
    gold: ArrayLike,
    predicted: ArrayLike,
    n_labels: int,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Mean recall of a classifier above that of one which looks at no text.

    Whoever always gives the same answer, or guesses by any shares, has a mean recall of one in
    as many as there are classes: unlike accuracy it cannot be had from a rare class by ignoring it.

    Returns:
        The difference with one-sided bounds, as :func:`compare` does.
    """
    ids = label_ids(gold)
    interval = counts_interval(
        macro_recall_of,
        ids,
        predicted,
        n_labels,
        n=resamples,
        confidence=_two_sided(confidence),
        seed=seed,
    )
    chance = 1 / max(1, np.unique(ids).size)
    return Interval(*(bound - chance for bound in interval))


def pass_rate(difference: Interval, rows: int, at: int, confidence: float = 0.95) -> float:
    """How often a challenger that is exactly as good as the champion would pass at ``at`` rows.

    By the normal approximation, from how much the two models disagree on the ``rows`` that were
    seen: a difference as wide as this one, moved to 0 and scaled to ``at`` rows.
    """
    z = NormalDist().inv_cdf(confidence)
    deviation = (difference.high - difference.low) / 2 / z * math.sqrt(rows / at) if at else 0.0
    if deviation <= 0:
        return 1.0
    return NormalDist().cdf(margin(at) / deviation - z)


def flips(gold: ArrayLike, challenger: ArrayLike, champion: ArrayLike) -> Flips:
    """Rows that only the challenger gets right, and rows that only the champion does."""
    ids = label_ids(gold)
    ours, theirs = label_ids(challenger) == ids, label_ids(champion) == ids
    return Flips(int((ours & ~theirs).sum()), int((theirs & ~ours).sum()))


def worse_p(found: Flips) -> float:
    """One-sided exact sign test: how likely so many more broken than fixed rows are by chance."""
    return binomial_tail(found.fixed, found.fixed + found.broken)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in the order given (Holm 1979).

    Calling those below 0.05 significant is wrong about any of them at most one time in twenty,
    however the tests depend on each other.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(raised, 1.0)
    return [float(value) for value in adjusted]


def _two_sided(one_sided: float) -> float:
    """Confidence of the two-sided interval whose bounds each have the one-sided confidence."""
    return 2 * one_sided - 1
