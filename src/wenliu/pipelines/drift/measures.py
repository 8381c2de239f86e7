"""The eight measures, each as a distance with what chance alone gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wenliu.metrics import drift
from wenliu.metrics.drift import Shift
from wenliu.params import DriftParams
from wenliu.pipelines.drift.answers import Answers
from wenliu.pipelines.drift.bigrams import bigrams
from wenliu.pipelines.drift.sampling import Sample

Ints = NDArray[np.int64]

#: Bigrams named on the page.
_TELLING = 20
_FOLDS = 5
_BINS = 20


def label_measure(
    reference: Sequence[str],
    new: Sequence[str],
    labels: Sequence[str],
    params: DriftParams,
    seed: int,
) -> tuple[Shift, dict[str, Any]]:
    """Shares of the labels, and what a chart of them needs."""
    number = {label: i for i, label in enumerate(dict.fromkeys([*labels, *reference, *new]))}
    ids = np.array([number[label] for label in (*reference, *new)])
    shift = drift.permutation_test(
        drift.total_variation(ids), _mask(reference, new), params.permutations, seed
    )
    counts = [Counter(side) for side in (reference, new)]
    shares = [[count[label] / count.total() for label in number] for count in counts]
    return shift, {"labels": list(number), "reference": shares[0], "new": shares[1]}


def lost_labels(reference: Sequence[str], new: Sequence[str]) -> tuple[Shift, list[str]]:
    """Labels of which no new row is, and how likely so many rows would lack the likeliest of them.

    The p-value is that of the most surprising label, times the number of labels (Bonferroni).
    """
    counts = Counter(reference)
    lost = [label for label in counts if label not in set(new)]
    lacking = [(1 - counts[label] / counts.total()) ** len(new) for label in lost]
    p = min(1.0, len(counts) * min(lacking, default=1.0))
    return Shift(float(len(lost)), 0.0, p), lost


def length_measure(
    reference: Sample, new: Sample, params: DriftParams, seed: int
) -> tuple[Shift, dict[str, Any]]:
    """Characters of the clean texts."""
    lengths = np.array([len(text) for text in (*reference.clean_text, *new.clean_text)])
    mask = _mask(reference, new)
    shift = drift.permutation_test(drift.largest_gap(lengths), mask, params.permutations, seed)
    # Beyond the longest hundredth the curve has nothing more to tell.
    grid = np.unique(np.linspace(0, np.quantile(lengths, 0.99), 40).round().astype(np.int64))
    return shift, {
        "characters": grid.tolist(),
        "reference": _cumulated(lengths[~mask], grid),
        "new": _cumulated(lengths[mask], grid),
    }


def confidence_measure(
    reference: Answers, new: Answers, params: DriftParams, seed: int
) -> tuple[Shift, dict[str, Any]]:
    """Mean probability of the predicted label, up or down."""
    values = np.concatenate([reference.confidence, new.confidence])
    mask = _mask(reference, new)
    shift = drift.permutation_test(drift.mean_difference(values), mask, params.permutations, seed)
    return shift, {
        "means": [float(values[~mask].mean()), float(values[mask].mean())],
        **_histograms(values, mask, (0.0, 1.0)),
    }


def unknown_measure(
    reference: Answers, new: Answers, params: DriftParams, seed: int
) -> tuple[Shift, dict[str, Any]]:
    """Rise of the share of unknown tokens."""
    unknown = np.concatenate([reference.unknown, new.unknown])
    tokens = np.concatenate([reference.tokens, new.tokens])
    mask = _mask(reference, new)
    statistic = drift.rate_increase(unknown, tokens)
    shift = drift.permutation_test(statistic, mask, params.permutations, seed)
    rates = [float(unknown[side].sum() / max(1, tokens[side].sum())) for side in (~mask, mask)]
    return shift, {"rates": rates}


def bigram_measure(
    reference: Sample, new: Sample, params: DriftParams, seed: int
) -> tuple[Shift, list[dict[str, Any]]]:
    """Distribution of character bigrams, and those that tell the samples apart most.

    Of each text counts the beginning, as long as the typical text of the shorter side: a side of
    longer texts would hold more bigrams than any deal of the same rows, and chance would be
    overrated.
    """
    typical = min(int(np.median([len(t) for t in s.clean_text])) for s in (reference, new))
    texts = [text[: max(2, typical)] for text in (*reference.clean_text, *new.clean_text)]
    items, row_of, names = bigrams(texts)
    mask = _mask(reference, new)
    statistic = drift.jensen_shannon(items, row_of)
    shift = drift.permutation_test(statistic, mask, params.permutations, seed)
    counts = [np.bincount(items[mask[row_of] == side], minlength=len(names)) for side in (0, 1)]
    old, fresh = (count / max(1, count.sum()) for count in counts)
    most = np.argsort(-drift.divergences(old, fresh)[:-1], kind="stable")[:_TELLING]
    return shift, [
        {"bigram": names[i], "reference": float(old[i]), "new": float(fresh[i])} for i in most
    ]


def domain_measure(
    reference: Sample, new: Sample, params: DriftParams, seed: int
) -> tuple[Shift, dict[str, Any]]:
    """How well a classifier of character 1-3-grams tells new texts from older ones."""
    from wenliu.modeling.baselines import Baseline, assign_folds

    random = np.random.default_rng(seed)
    sides = [_drawn(side.clean_text, params.classifier_rows, random) for side in (reference, new)]
    texts, mask = [*sides[0], *sides[1]], _mask(*sides)
    features = Baseline("character", 2).count(texts)
    # Not stratified by side: under another permutation the folds must be the same.
    fold_of = assign_folds(texts, np.zeros(len(texts), np.int64), _FOLDS, seed)
    kernel = (features @ features.T).toarray().astype(np.float64)
    shift, scores = drift.domain_classifier(kernel, mask, fold_of, params.permutations, seed)
    return shift, _histograms(scores, mask, (float(scores.min()), float(scores.max())))


def _drawn(texts: Sequence[str], rows: int, random: np.random.Generator) -> list[str]:
    chosen = random.choice(len(texts), min(rows, len(texts)), replace=False)
    return [texts[i] for i in np.sort(chosen)]


def _mask(reference: Sized, new: Sized) -> NDArray[np.bool_]:
    return np.repeat([False, True], [len(reference), len(new)])


def _cumulated(values: Ints, grid: Ints) -> list[float]:
    """Share of the values up to each point of the grid."""
    return [float(v) for v in np.searchsorted(np.sort(values), grid, side="right") / values.size]


def _histograms(
    values: NDArray[np.float64], new: NDArray[np.bool_], bounds: tuple[float, float]
) -> dict[str, Any]:
    """Shares of both sides in bins of equal width, by the middle of each bin."""
    edges = np.linspace(*bounds, _BINS + 1)
    sides = {"reference": values[~new], "new": values[new]}
    return {
        "middles": ((edges[1:] + edges[:-1]) / 2).tolist(),
        **{
            name: (np.histogram(side, edges)[0] / side.size).tolist()
            for name, side in sides.items()
        },
    }
