"""Model against baseline on one set of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wenliu.metrics import (
    accuracy_of,
    calibration_summary,
    counts_interval,
    macro_f1_of,
    mcnemar,
    paired_bootstrap,
    wilson_interval,
)
from wenliu.params import EvaluationParams
from wenliu.pipelines.evaluation.tables import Ints
from wenliu.tasks import Task

#: Scores that ``metrics`` holds of every set of rows; the rest stands in the report.
_HEADLINES = (
    "rows", "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "macro_f1_low",
    "macro_f1_high", "macro_precision", "macro_recall", "weighted_f1", "micro_f1",
)  # fmt: skip
_BASELINE_HEADLINES = (
    "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "macro_f1_low", "macro_f1_high",
)  # fmt: skip


def score_rows(
    task: Task,
    gold: Ints,
    logits: NDArray[np.float64],
    baseline: NDArray[np.float64],
    temperature: float,
    params: EvaluationParams,
    seed: int,
) -> dict[str, Any]:
    """All scores of model and baseline on the same rows, as plain numbers.

    Args:
        task: Says which metrics count.
        gold: ``(rows,)``.
        logits: ``(rows, labels)`` of the model.
        baseline: ``(rows, labels)`` probabilities.
        temperature: Of the calibrated model.
        params: Resamples, confidence, bins.
        seed: Of the resamples.
    """
    n_labels = logits.shape[1]
    options: dict[str, Any] = {"n": params.bootstrap, "confidence": params.confidence, "seed": seed}
    ours, theirs = logits.argmax(axis=1), baseline.argmax(axis=1)
    difference = paired_bootstrap(gold, ours, theirs, n_labels, **options)
    in_accuracy = paired_bootstrap(gold, ours, theirs, n_labels, statistic=accuracy_of, **options)
    test = mcnemar(gold, ours, theirs)
    return {
        "rows": int(gold.size),
        "model": with_intervals(task, gold, logits, options),
        "baseline": with_intervals(task, gold, baseline, options),
        "difference": {
            "macro_f1": difference.value,
            "low": difference.low,
            "high": difference.high,
            "accuracy": in_accuracy.value,
            "accuracy_low": in_accuracy.low,
            "accuracy_high": in_accuracy.high,
            "only_model_right": test.only_first,
            "only_baseline_right": test.only_second,
            "mcnemar_p": test.p,
        },
        "calibration": calibration_summary(
            logits, gold, temperature, params.calibration_bins, params.confidence, seed
        ),
    }


def with_intervals(
    task: Task, gold: Ints, outputs: NDArray[np.float64], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Scores of one classifier's ``(rows, labels)`` outputs, bounds of accuracy and macro-F1.

    The bounds of accuracy are Wilson's, those of macro-F1 the bootstrap's. Where every resample
    says the same, because no row is wrong, that would claim certainty: Wilson's serve for both.
    """
    n_labels = outputs.shape[1]
    scores, predicted = task.metrics(gold, outputs, n_labels), outputs.argmax(axis=1)
    accuracy = wilson_interval(int((gold == predicted).sum()), gold.size, options["confidence"])
    f1 = counts_interval(macro_f1_of, gold, predicted, n_labels, **options)
    if f1.low == f1.high:
        f1 = accuracy
    for name, interval in (("accuracy", accuracy), ("macro_f1", f1)):
        scores[f"{name}_low"], scores[f"{name}_high"] = interval.low, interval.high
    return scores


def headline_metrics(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The nested numbers that are tracked from run to run, from the full scores."""
    metrics: dict[str, Any] = {"baseline": {}}
    for name, scored in scores["sets"].items():
        metrics[name] = {key: scored["model"][key] for key in _HEADLINES}
        metrics["baseline"][name] = {key: scored["baseline"][key] for key in _BASELINE_HEADLINES}
    judged = scores["judged_on"]
    metrics["difference"] = dict(scores["sets"][judged]["difference"])
    leak_free = scores["sets"].get(f"{judged}_leak_free")
    if leak_free:
        metrics["difference_leak_free"] = dict(leak_free["difference"])
    calibration = scores["sets"][judged]["calibration"]
    metrics["calibration"] = {
        "temperature": scores["temperature"],
        **{key: value for key, value in calibration.items() if not key.startswith("curve")},
    }
    return metrics
